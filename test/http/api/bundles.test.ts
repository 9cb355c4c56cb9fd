import { expect, test } from 'vitest';
import type { RunResult } from '../../../src/mirror/run/report.ts';
import { SendingSite, siteDefinition } from '../../mirror/site/sites.ts';
import { definition } from '../../mirror/workspace.ts';
import { TestServer } from '../../support/server.ts';

const path = '/api/v1/mirrors/hq/bundle';

test('a bundle is imported from the body of a request, and by administrators only', async () => {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000');
  const body = await hq.stream();
  const server = await TestServer.start({}, [siteDefinition({ keyring: hq.keyring })]);
  const [admin, publisher] = [await server.token(['admin']), await server.token(['publish'])];
  const post = async (token: string, content: Buffer) =>
    await server.request(path, { method: 'POST', token, body: content });
  expect((await post(publisher, body)).status).toBe(403);
  const cut = await post(admin, body.subarray(0, body.length / 2));
  expect(cut.status).toBe(200);
  expect(JSON.parse(cut.body.toString()) as RunResult).toMatchObject({ outcome: 'partial' });
  const whole = await post(admin, body);
  expect(JSON.parse(whole.body.toString()) as RunResult).toMatchObject({
    ...{ mirror: 'hq', outcome: 'success', report: { added: 1, bundle: { site: 'hq', sequence: 1 } } },
  });
  const again = await post(admin, body);
  expect(JSON.parse(again.body.toString()) as RunResult).toMatchObject({ outcome: 'unchanged' });
  const audit = await server.request('/api/v1/audit', { token: admin });
  expect(audit.body.toString()).toContain('bundle.import');
});

test('bytes that are no bundle of the site are refused', async () => {
  const [hq, stranger] = [await SendingSite.make(), await SendingSite.make()];
  await stranger.publish('bookworm', '20260101_0000');
  const server = await TestServer.start({}, [
    siteDefinition({ keyring: hq.keyring }),
    definition('http://127.0.0.1:1'),
  ]);
  const token = await server.token(['admin']);
  const post = async (target: string, body: Buffer) =>
    await server.request(target, { method: 'POST', token, body });
  expect(await post(path, Buffer.alloc(20_000))).toMatchObject({ status: 422 });
  const foreign = await post(path, await stranger.stream());
  expect(foreign).toMatchObject({ status: 422 });
  expect(foreign.body.toString()).toContain('signed by another key');
  expect((await post('/api/v1/mirrors/none/bundle', Buffer.alloc(10))).status).toBe(404);
  const upstream = await post('/api/v1/mirrors/test/bundle', Buffer.alloc(10));
  expect(upstream).toMatchObject({ status: 409 });
});
