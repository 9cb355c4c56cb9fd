import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { scratchDirectory } from '../support/catalog.ts';
import { TestServer } from '../support/server.ts';
import { headwater } from './command-line.ts';

/** A configuration file of a server that listens on a port of its own. */
async function configFile(text: string): Promise<string> {
  const file = join(await scratchDirectory(), 'headwater.yaml');
  await writeFile(file, text);
  return file;
}

test.each(['off', 'self-signed'] as const)('health asks where the file says, with tls %s', async (tls) => {
  const { server } = await TestServer.start({ tls });
  const file = await configFile(`listen: {address: 127.0.0.1, port: ${server.port}}\ntls: ${tls}\n`);
  const url = `${tls === 'off' ? 'http' : 'https'}://127.0.0.1:${server.port}`;
  expect(await headwater(['health'], { env: { HEADWATER_CONFIG: file } })).toMatchObject({
    code: 0,
    stdout: `${url}/readyz: ok\n`,
  });
  const live = await headwater(['health', '--live', '--json', '--config', file]);
  expect(JSON.parse(live.stdout)).toEqual({ url: `${url}/healthz`, healthy: true });
});

test('the environment wins over the file, as for the server', async () => {
  const { server } = await TestServer.start({ tls: 'off' });
  const file = await configFile('listen: {address: 127.0.0.1, port: 1}\n');
  const env = { HEADWATER_CONFIG: file, HEADWATER_LISTEN_PORT: String(server.port), HEADWATER_TLS: 'off' };
  expect((await headwater(['health'], { env })).code).toBe(0);
});

test('a server that is not ready, and one that is not there, end with 7 and say why', async () => {
  const unready = createServer((_request, response) => {
    response.writeHead(503).end('{"status":"unavailable","problem":"the store is down"}');
  });
  await new Promise<void>((resolve) => unready.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    await new Promise((resolve) => unready.close(resolve));
  });
  const address = unready.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const file = await configFile(`listen: {address: 127.0.0.1, port: ${port}}\ntls: 'off'\n`);
  const answered = await headwater(['health', '--config', file]);
  expect(answered.code).toBe(7);
  expect(answered.stderr).toContain('answered with status 503');
  expect(answered.stderr).toContain('the store is down');

  const absent = await headwater(['health', '--config', file, '--set', 'listen.port=1']);
  expect(absent.code).toBe(7);
  expect(absent.stderr).toContain('http://127.0.0.1:1/readyz: cannot be reached');
});

test('a port that the system chooses cannot be asked', async () => {
  const { code, stderr } = await headwater(['health', '--config', '/dev/null', '--set', 'listen.port=0']);
  expect(code).toBe(3);
  expect(stderr).toContain('listen.port');
});

test('the health check of the container is this command', async () => {
  const dockerfile = await readFile('Dockerfile', 'utf8');
  expect(dockerfile).toMatch(/^HEALTHCHECK [^\n]*\\\n +CMD headwater health \|\| exit 1$/m);
});
