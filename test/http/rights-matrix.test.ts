import { Router } from '@koa/router';
import { expect, test, vi } from 'vitest';
import { fileTrees, operatorPaths } from '../../src/http/application.ts';
import { type Answer, createIdentities, type Identity } from './rights-matrix/identities.ts';
import { type Entry, fixed, routes } from './rights-matrix/table.ts';
import { absent, createWorld, type Names, type Thing, things, type World } from './rights-matrix/world.ts';

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const isSafe = (method: string) => method === 'GET' || method === 'HEAD' || method === 'OPTIONS';

test('the matrix has every surface that is answered without a router', () => {
  const answered = [
    ...Object.keys(operatorPaths).map((path) => `GET ${path}`),
    ...Object.keys(fileTrees).map((tree) => `GET /${tree}/…`),
  ];
  const entries = Object.keys(fixed).map((key) => key.replace(/^(GET \/(images|streams)\/).*/, '$1…'));
  expect([...new Set(entries)].sort()).toEqual(answered.sort());
});

test('nothing private is told to, or changed by, anybody without a right to it, on any route', async () => {
  const register = vi.spyOn(Router.prototype, 'register');
  const world = await createWorld();
  const layers = (register.mock.contexts as Router[]).flatMap((router) => router.stack);
  register.mockRestore();
  const real = layers.flatMap(({ path, methods: taken }) =>
    taken
      .filter((method) => method !== 'HEAD' || !taken.includes('GET'))
      .map((method) => `${method} ${String(path)}`),
  );
  expect([...new Set(real)].sort()).toEqual(Object.keys(routes).sort());

  const identities = await createIdentities(world);
  const problems = new Set<string>();
  let cells = 0;
  let state = await world.state();
  for (const [key, entry] of Object.entries({ ...routes, ...fixed })) {
    const [own = '', path = ''] = key.split(' ');
    // Methods that a path does not take are tried once, with the first route that has the path.
    const isFirst = Object.keys({ ...routes, ...fixed }).find((each) => each.endsWith(` ${path}`)) === key;
    for (const identity of identities) {
      for (const thing of things) {
        for (const method of methods) {
          // What those do who may is the matter of other tests; here they would change what the others are asked about.
          if (!isSafe(method) && mayDo(identity, entry, thing) && !isOther(key, method)) continue;
          if (isOther(key, method) && (hasRoute(path, method) || !isFirst)) continue;
          // Of methods that a path does not take, two things of others tell enough.
          if (isOther(key, method) && thing !== 'privateStream' && thing !== 'privatePush') continue;
          cells++;
          const cell = { world, identity, thing, entry, method, path, isOwn: method === own };
          const found = await examine(cell);
          // Of reading no cell expects a change, so it is enough to look after each attempt at one.
          if (!isSafe(method)) {
            const after = await world.state();
            if (after !== state) found.push('changed something');
            state = after;
          }
          for (const problem of found)
            problems.add(`${method} ${path}, ${identity.name}, ${thing}: ${problem}`);
        }
      }
    }
  }
  expect([...problems].slice(0, 40).join('\n')).toBe('');
  expect(identities.length).toBeGreaterThan(20);
  expect(cells).toBeGreaterThan(10_000);
}, 600_000);

interface Cell {
  world: World;
  identity: Identity;
  thing: Thing;
  entry: Entry;
  method: string;
  path: string;
  isOwn: boolean;
}

/** One cell. @returns what is wrong */
async function examine({ world, identity, thing, entry, method, path, isOwn }: Cell): Promise<string[]> {
  const problems: string[] = [];
  const names = world.names[thing];
  const target = (of: Names) => entry.path?.(of) ?? path;
  const body = (of: Names) => (isOwn ? entry.body?.(of) : undefined);
  const answer = await identity.send(method, target(names), body(names));
  if (!isSafe(method) && answer.status < 400) problems.push(`answered ${answer.status}`);
  if (answer.status >= 500) problems.push(`answered ${answer.status}`);
  const told = without(`${JSON.stringify(answer.headers)}\n${answer.body}`, names).replaceAll(
    target(names),
    'PATH',
  );
  for (const marker of hidden(world, identity)) {
    if (told.includes(marker)) problems.push(`tells ${marker}`);
  }
  if (isOwn && identity.kind === 'rejected' && path.startsWith('/api/') && answer.status !== 401) {
    problems.push(`answered ${answer.status}, not 401`);
  }
  if (isOwn && isSafe(method) && entry.status !== null && mayDo(identity, entry, thing)) {
    if (answer.status !== entry.status) problems.push(`answered ${answer.status}, not ${entry.status}`);
  }
  const missing = { ...absent(names), ...(identity.knowsAllStreams ? { stream: names.stream } : {}) };
  const isSame =
    JSON.stringify([target(names), body(names)]) === JSON.stringify([target(missing), body(missing)]);
  const isOwners = identity.isAdministrator && entry.needs === 'owner';
  if (!isSame && !identity.sees.includes(thing) && entry.tellsTaken === undefined && !isOwners) {
    const twin = await identity.send(method, target(missing), body(missing));
    const [one, other] = [comparable(answer, names), comparable(twin, missing)];
    if (one !== other) problems.push(`differs from what does not exist:\n  ${one}\n  ${other}`);
  }
  if (isOwn && method === 'GET' && !/metrics|export|wait/.test(path)) {
    const head = await identity.send('HEAD', target(names));
    if (head.status !== answer.status || head.body !== '') problems.push(`HEAD answered ${head.status}`);
  }
  return problems;
}

/** What an identity may not read. */
function hidden(world: World, identity: Identity): string[] {
  const unseen = things.filter((thing) => !identity.sees.includes(thing));
  const streams = identity.knowsAllStreams ? ['tenantb'] : [];
  const seen = [...streams, ...identity.sees.flatMap((thing) => world.markers[thing])];
  return [
    ...unseen.flatMap((thing) => world.markers[thing]).filter((marker) => !seen.includes(marker)),
    ...(identity.isAdministrator ? [] : world.markers.administration),
  ];
}

/** Whether an identity may do what a route does, by the rules: where it depends on more, it is left to other tests. */
function mayDo(identity: Identity, { needs, isByAlias }: Entry, thing: Thing): boolean {
  if (identity.kind === 'rejected') return false;
  if (needs === 'nothing') return true;
  if (identity.kind === 'nobody') return needs === 'see' && thing === 'public';
  if (needs === 'known') return true;
  if (needs === 'admin' || needs === 'owner') return identity.isAdministrator;
  // It has no alias.
  if (isByAlias && thing === 'unnamed') return false;
  if (!identity.sees.includes(thing)) return false;
  return needs === 'see' || identity.actions.includes('admin') || identity.actions.includes(needs);
}

function isOther(key: string, method: string): boolean {
  return !key.startsWith(`${method} `);
}

/** Whether a method has an entry of its own for a path. */
function hasRoute(path: string, method: string): boolean {
  const read = method === 'HEAD' ? 'GET' : method;
  return `${read} ${path}` in routes || `${method} ${path}` in fixed;
}

/** A text without what the request itself named. */
function without(text: string, names: Names): string {
  let left = text;
  const { alias, os, release, fingerprint, digest, stream, operation, client, serial } = names;
  const given = [fingerprint, digest, operation, client, alias, release].flatMap((name) => [
    encodeURIComponent(name),
    name,
  ]);
  const all = [...given, ...(os === 'pushed' ? [] : [os]), serial];
  const streams = stream.startsWith('tenant') ? [stream] : [];
  for (const name of [...all, ...streams]) {
    if (name !== '') left = left.replaceAll(name, 'NAME');
  }
  return left;
}

/** An answer without what no two answers have in common. */
function comparable({ status, headers, body }: Answer, names: Names): string {
  const { date: _, 'x-request-id': __, ...rest } = headers;
  return without(`${status} ${JSON.stringify(rest)} ${body}`, names);
}
