import { Router } from '@koa/router';
import { expect, test, vi } from 'vitest';
import { fileTrees, operatorPaths } from '../../src/http/application.ts';
import { examineMatrix } from './rights-matrix/cells.ts';
import { createIdentities } from './rights-matrix/identities.ts';
import { fixed, routes } from './rights-matrix/table.ts';
import { createWorld } from './rights-matrix/world.ts';

test('the matrix has every surface that is answered without a router', () => {
  const answered = [
    ...Object.keys(operatorPaths).map((path) => `GET ${path}`),
    ...Object.keys(fileTrees).map((tree) => `GET /${tree}/…`),
  ];
  const entries = Object.keys(fixed).map((key) =>
    key.replace(/^(GET \/(images|streams|meta|sysupdate)\/).*/, '$1…'),
  );
  expect([...new Set(entries)].sort()).toEqual(answered.sort());
});

// A router refuses a method before it looks at who asks, so that one identity of each kind tells it;
// rights-matrix/untaken-methods.trial.test.ts has them all.
const oneOfEachKind = ['nobody', 'garbage token', 'token publish stream', 'token admin all', 'client pusher'];

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
  const untaken = identities.filter(({ name }) => oneOfEachKind.includes(name));
  expect(untaken).toHaveLength(oneOfEachKind.length);
  const { problems, cells } = await examineMatrix(world, { own: identities, untaken });
  expect(problems.slice(0, 40).join('\n')).toBe('');
  expect(identities.length).toBeGreaterThan(20);
  expect(cells).toBeGreaterThan(4500);
}, 600_000);
