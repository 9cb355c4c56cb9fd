import { expect, test } from 'vitest';
import { describeApi } from '../../../src/http/api/openapi/openapi.ts';
import type { RunResult } from '../../../src/mirror/run/report.ts';
import { TestUpstream } from '../../mirror/test-upstream.ts';
import { definition } from '../../mirror/workspace.ts';
import { TestServer } from '../../support/server.ts';

const patiently = { timeout: 20_000 };

test('a run is asked for with a body or without, and a wrong one is refused', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer('debian:bookworm:amd64:default', '20260101_0000');
  const server = await TestServer.start({}, [definition(upstream.url)]);
  const token = await server.token(['admin']);
  const post = async (body?: string) =>
    await server.request('/api/v1/mirrors/test/runs', {
      method: 'POST',
      token,
      ...(body === undefined ? {} : { body }),
    });
  const outcomes = async () => {
    const { body } = await server.request('/api/v1/mirrors/test', { token });
    const { runs } = JSON.parse(body.toString()) as { runs: RunResult[] };
    return runs.map(({ outcome }) => outcome);
  };
  for (const body of ['{"force":1}', '{"forse":true}', '[]', 'null', '{']) {
    expect({ body, status: (await post(body)).status }).toEqual({ body, status: 422 });
  }
  expect(await outcomes()).toEqual([]);
  expect((await post()).status).toBe(202);
  await expect.poll(outcomes, patiently).toEqual(['success']);
  await expect.poll(async () => (await post('{}')).status, patiently).toBe(202);
  await expect.poll(outcomes, patiently).toEqual(['unchanged', 'success']);
  await expect.poll(async () => (await post('{"force":true}')).status, patiently).toBe(202);
  await expect.poll(outcomes, patiently).toEqual(['success', 'unchanged', 'success']);
});

test('the OpenAPI document says which bodies may be left out', () => {
  const bodies = Object.entries(describeApi().paths).flatMap(([path, entry]) =>
    Object.entries(entry).map(([method, operation]) => ({
      name: `${method} ${path}`,
      required: (operation as { requestBody?: { required: boolean } }).requestBody?.required,
    })),
  );
  const optional = bodies.filter(({ required }) => required === false);
  expect(optional.map(({ name }) => name)).toEqual(['post /mirrors/{mirror}/runs', 'post /bundles/{site}']);
  expect(bodies.find(({ name }) => name === 'post /versions')?.required).toBe(true);
});
