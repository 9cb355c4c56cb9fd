import type { Answer, Identity } from './identities.ts';
import { type Entry, fixed, routes } from './table.ts';
import { absent, type Names, type Thing, things, type World } from './world.ts';

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const isSafe = (method: string) => method === 'GET' || method === 'HEAD' || method === 'OPTIONS';

interface Cell {
  world: World;
  identity: Identity;
  thing: Thing;
  entry: Entry;
  method: string;
  path: string;
  /** The method is that of the route. */
  isOwn: boolean;
}

/**
 * Asks every route for every thing.
 * @param options.own who asks with the method of the route
 * @param options.untaken who asks with methods that its path does not take
 * @returns what is wrong, and how many different requests were judged
 */
export async function examineMatrix(
  world: World,
  { own, untaken }: { own: readonly Identity[]; untaken: readonly Identity[] },
): Promise<{ problems: string[]; cells: number }> {
  const problems = new Set<string>();
  let cells = 0;
  let state = await world.state();
  const entries = { ...routes, ...fixed };
  for (const [key, entry] of Object.entries(entries)) {
    const [ownMethod = '', path = ''] = key.split(' ');
    // Methods that a path does not take are tried once, with the first route that has the path.
    const isFirst = Object.keys(entries).find((each) => each.endsWith(` ${path}`)) === key;
    for (const method of methods) {
      const isOwn = method === ownMethod;
      if (!isOwn && (hasRoute(path, method) || !isFirst)) continue;
      for (const identity of isOwn ? own : untaken) {
        const asked = distinct({ world, identity, entry, method, path, isOwn });
        for (const cell of asked) {
          for (const problem of await examine(cell)) {
            problems.add(`${method} ${path}, ${identity.name}, ${cell.thing}: ${problem}`);
          }
        }
        cells += asked.length;
        // Of reading no cell expects a change, so it is enough to look after attempts at one; none undoes another.
        if (isSafe(method) || asked.length === 0) continue;
        const after = await world.state();
        if (after !== state) problems.add(`${method} ${path}, ${identity.name}: changed something`);
        state = after;
      }
    }
  }
  return { problems: [...problems], cells };
}

/** The cells of an identity and a method: things with which the request and what is expected of it are the same make one. */
function distinct(row: Omit<Cell, 'thing'>): Cell[] {
  const { identity, entry, method, isOwn } = row;
  const cells = new Map<string, Cell>();
  for (const thing of things) {
    // Of methods that a path does not take, two things of others tell enough.
    if (!isOwn && thing !== 'privateStream' && thing !== 'privatePush') continue;
    const may = mayDo(identity, entry, thing);
    // What those do who may is the matter of other tests; here they would change what the others are asked about.
    if (isOwn && !isSafe(method) && may) continue;
    const cell = { ...row, thing };
    const { request, twin } = requests(cell);
    const key = JSON.stringify([request, may, twin ?? null]);
    if (!cells.has(key)) cells.set(key, cell);
  }
  return [...cells.values()];
}

interface Request {
  path: string;
  body?: unknown;
}

/** What a cell asks, and the same of what does not exist where the answers must not differ. */
function requests({ world, identity, thing, entry, path, isOwn }: Cell): {
  request: Request;
  twin: Request | undefined;
  names: Names;
  missing: Names;
} {
  const names = world.names[thing];
  const missing = { ...absent(names), ...(identity.knowsAllStreams ? { stream: names.stream } : {}) };
  const requestOf = (of: Names): Request => {
    const body = isOwn ? entry.body?.(of) : undefined;
    return { path: entry.path?.(of) ?? path, ...(body === undefined ? {} : { body }) };
  };
  const [request, other] = [requestOf(names), requestOf(missing)];
  const isSame = JSON.stringify(request) === JSON.stringify(other);
  const isOwners = identity.isAdministrator && entry.needs === 'owner';
  const isHidden = !identity.sees.includes(thing) && entry.tellsTaken === undefined && !isOwners;
  return { request, names, missing, twin: isHidden && !isSame ? other : undefined };
}

/** One cell. @returns what is wrong */
async function examine(cell: Cell): Promise<string[]> {
  const { world, identity, thing, entry, method, path, isOwn } = cell;
  const problems: string[] = [];
  const { request, names, twin, missing } = requests(cell);
  const answer = await identity.send(method, request.path, request.body);
  if (!isSafe(method) && answer.status < 400) problems.push(`answered ${answer.status}`);
  if (answer.status >= 500) problems.push(`answered ${answer.status}`);
  const told = without(`${JSON.stringify(answer.headers)}\n${answer.body}`, request, names).replaceAll(
    request.path,
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
  if (twin !== undefined) {
    const answerOfTwin = await identity.send(method, twin.path, twin.body);
    const [one, other] = [comparable(answer, request, names), comparable(answerOfTwin, twin, missing)];
    if (one !== other) problems.push(`differs from what does not exist:\n  ${one}\n  ${other}`);
  }
  if (isOwn && method === 'GET' && !/metrics|export|wait/.test(path)) {
    const head = await identity.send('HEAD', request.path);
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

/** Whether a method has an entry of its own for a path. */
function hasRoute(path: string, method: string): boolean {
  const read = method === 'HEAD' ? 'GET' : method;
  return `${read} ${path}` in routes || `${method} ${path}` in fixed;
}

/** A text without what the request itself named. */
function without(text: string, request: Request, names: Names): string {
  let left = text;
  const named = JSON.stringify(request);
  const { alias, os, release, fingerprint, digest, stream, operation, client, serial } = names;
  const given = [fingerprint, digest, operation, client, alias, release].flatMap((name) => [
    encodeURIComponent(name),
    name,
  ]);
  const all = [...given, ...(os === 'pushed' ? [] : [os]), serial];
  const streams = stream.startsWith('tenant') ? [stream] : [];
  for (const name of [...all, ...streams]) {
    const isNamed = named.includes(name) || named.includes(encodeURIComponent(name));
    if (name !== '' && isNamed) left = left.replaceAll(name, 'NAME');
  }
  return left;
}

/** An answer without what no two answers have in common. */
function comparable({ status, headers, body }: Answer, request: Request, names: Names): string {
  const { date: _, 'x-request-id': __, ...rest } = headers;
  return without(`${status} ${JSON.stringify(rest)} ${body}`, request, names);
}
