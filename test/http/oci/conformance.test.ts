import { expect, test } from 'vitest';
import { makeLayerImage } from '../../support/layer-images.ts';
import { TestServer } from '../../support/server.ts';
import { bearerFor, OciClient } from './client.ts';
import { type Ask, checkPull } from './conformance.ts';

const repository = 'debian';

async function start(): Promise<Ask> {
  const server = await TestServer.start();
  await server.publish((await makeLayerImage()).request);
  await server.publish((await makeLayerImage({ architecture: 'arm64' })).request);
  const scopes = [repository, 'no/such/repository'].map((name) => `repository:${name}:pull`);
  const client = new OciClient(server, await bearerFor(server, undefined, ...scopes));
  return async (method, path, headers = {}) => await client.get(path, { method, headers });
}

test('the rules of the distribution specification for pulls hold', async () => {
  expect(await checkPull(await start(), { repository, tag: 'bookworm' })).toEqual([]);
});

test('the checker finds answers that break rules', async () => {
  const ask = await start();
  const broken: Ask = async (method, path, headers) => {
    const answer = await ask(method, path, headers);
    if (path.includes('/tags/list')) return { ...answer, body: Buffer.from('{"name":"x","tags":["b","a"]}') };
    if (path.includes('/referrers/')) return { ...answer, status: 404 };
    if (path.includes('/blobs/')) return { ...answer, body: Buffer.from('other') };
    if (path.includes('/manifests/')) return { ...answer, headers: {} };
    return { ...answer, status: 500 };
  };
  const violations = (await checkPull(broken, { repository, tag: 'bookworm' })).join('\n');
  for (const part of [
    'end-1',
    'Docker-Content-Digest',
    'Content-Type',
    'blob with',
    'lexical',
    'referrers',
  ]) {
    expect(violations).toContain(part);
  }
});
