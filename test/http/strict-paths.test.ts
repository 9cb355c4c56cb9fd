import { readFileSync } from 'node:fs';
import { Router } from '@koa/router';
import { expect, test, vi } from 'vitest';
import { TestServer } from '../support/server.ts';
import { makeSmallImage } from '../support/small-images.ts';

/** Ways to write a path that a lenient server takes for the same, and a proxy in front for another. */
function variants(path: string): string[] {
  const literals = path.split('/').filter((segment) => segment !== '' && segment !== 'x');
  const [first = '', last = ''] = [literals[0], literals.at(-1)];
  const encoded = `%${last.charCodeAt(0).toString(16)}${last.slice(1)}`;
  return [
    `${path}/`,
    `${path}//`,
    `${path}/.`,
    `${path}/x/..`,
    `${path}%2F`,
    `${path};x`,
    `/${path}`,
    `/.${path}`,
    `/x/..${path}`,
    `/%2e%2e${path}`,
    path.replace(first, first.toUpperCase()),
    path.replace(last, encoded),
    ...(literals.length > 1
      ? [
          path.replace(`${first}/`, `${first}//`),
          path.replace(`${first}/`, `${first}%2F`),
          path.replace(`${first}/`, `${first}/./`),
          path.replace(`${first}/`, `${first}\\`),
        ]
      : []),
  ].filter((variant) => variant !== path);
}

/** Whether an answer says that no route has such a path. */
function isUnknown(path: string, { status, body }: { status: number; body: Buffer }): boolean {
  const text = body.toString();
  if (status === 400 && text.includes('the path cannot be read')) return true;
  // The rest of the path of an alias is its name, slashes and all, as LXD has it.
  if (status === 404 && path.startsWith('/1.0/images/aliases/') && text.includes('Alias not found'))
    return true;
  // A path of the OCI registry contains the name of a repository, which has no empty parts.
  if (status === 400 && path.startsWith('/v2/') && text.includes('NAME_INVALID')) return true;
  return status === 404 && /there is nothing at|is an image registry/.test(text);
}

test('every route is found by its path as it is written, and by no other', async () => {
  const register = vi.spyOn(Router.prototype, 'register');
  const server = await TestServer.start();
  const routers = new Set(register.mock.contexts as Router[]);
  register.mockRestore();
  const layers = [...routers].flatMap((router) => router.stack);
  const routes = layers.flatMap((layer) =>
    layer.methods.map((method) => ({
      method,
      layer,
      path: String(layer.path).replace(/:\w+(\(.*?\))?|\*\w+/g, 'x'),
    })),
  );
  expect(routes.length).toBeGreaterThan(40);
  const own = ['/healthz', '/readyz', '/metrics'].map((path) => ({ method: 'GET', path, layer: undefined }));
  const token = await server.token(['admin', 'read', 'publish', 'remove']);
  for (const { method, path, layer } of [...own, ...routes.filter(({ path: each }) => each !== '/')]) {
    if (method === 'HEAD') continue;
    for (const variant of variants(path)) {
      // It is the value of a parameter, of this route or of another one.
      if (path.endsWith('/x') && /\/x(%2F|;x)$/.test(variant)) continue;
      if (layers.some((each) => each !== layer && each.path !== layer?.path && each.match(variant))) continue;
      const answer = await server.request(variant, { method, token });
      expect(isUnknown(path, answer), `${method} ${variant}: ${answer.status} ${answer.body}`).toBe(true);
    }
  }
}, 60_000);

test('documents and image files take double slashes and encoded characters, and nothing else', async () => {
  const server = await TestServer.start();
  const image = await makeSmallImage();
  await server.publish({
    files: [image.metadata, image.root].map((file) => ({ from: 'disk', name: file, path: file })),
  });
  const file = '/images/debian/bookworm/amd64/default/20260101_0000/rootfs.squashfs';
  await expect.poll(async () => (await server.request('/streams/v1/images.json')).status).toBe(200);
  for (const path of ['/streams/v1/index.json', '/streams/v1/images.json', file]) {
    for (const same of [path, `/${path}`, path.replaceAll('/', '//')])
      expect((await server.request(same)).status, same).toBe(200);
    for (const other of variants(path).filter((each) => !each.startsWith('//') && !/\w\/\/\w/.test(each))) {
      // The name of the file itself may be encoded.
      if (other.includes(path.slice(0, path.lastIndexOf('/') + 1)) && /%7|%69/.test(other)) continue;
      expect((await server.request(other)).status, other).toBe(404);
    }
  }
});

test('the configuration for nginx denies everything that begins with /metrics', () => {
  const text = readFileSync('config/nginx.conf', 'utf8');
  expect(text).toMatch(/location \^~ \/metrics \{[^}]*deny all;/);
});
