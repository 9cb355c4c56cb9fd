import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startServer } from '../../../../src/server/start.ts';
import { scratchDirectory } from '../../../support/catalog.ts';
import { TestServer } from '../../../support/server.ts';
import { headwater } from '../../command-line.ts';

/** A configuration file of a server that listens on a port of its own. */
async function configFile(text: string): Promise<string> {
  const file = join(await scratchDirectory(), 'headwater.yaml');
  await writeFile(file, text);
  return file;
}

test.each(['off', 'self-signed'] as const)('health uses the address of the file, tls %s', async (tls) => {
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

test('the environment overrides the file, as for the server', async () => {
  const { server } = await TestServer.start({ tls: 'off' });
  const file = await configFile('listen: {address: 127.0.0.1, port: 1}\n');
  const env = { HEADWATER_CONFIG: file, HEADWATER_LISTEN_PORT: String(server.port), HEADWATER_TLS: 'off' };
  expect((await headwater(['health'], { env })).code).toBe(0);
});

test('a server that is not ready or does not run ends with 7 and the reason', async () => {
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

test('a server that was started with another port is found by its data directory', async () => {
  // The system chose the port: only the running server knows it.
  const { server, config } = await TestServer.start({ tls: 'off' });
  const { dataDir } = config;
  const file = await configFile(`dataDir: ${dataDir}\nlisten: {address: 127.0.0.1, port: 1}\n`);
  const url = `http://127.0.0.1:${server.port}/readyz`;
  expect(await headwater(['health', '--config', file])).toMatchObject({ code: 0, stdout: `${url}: ok\n` });
  const chosen = await headwater(['health', '--data-dir', dataDir], { env: { HEADWATER_LISTEN_PORT: '0' } });
  expect(chosen).toMatchObject({ code: 0, stdout: `${url}: ok\n` });

  // A port that is named is the one that is meant.
  const named = await headwater(['health', '--config', file, '--set', 'listen.port=1']);
  expect(named.code).toBe(7);
  expect(named.stderr).toContain('127.0.0.1:1/readyz: cannot be reached');

  // A second server on the same directory: the configuration says which one is asked first.
  const second = await startServer({ ...config, listen: { ...config.listen, port: 0 } }, { mirrors: [] });
  onTestFinished(() => second.close());
  const known = await configFile(
    `dataDir: ${dataDir}\nlisten: {address: 127.0.0.1, port: ${server.port}}\ntls: off\n`,
  );
  expect((await headwater(['health', '--config', known])).stdout).toBe(`${url}: ok\n`);
  expect((await headwater(['health', '--config', file])).code).toBe(0);
  await second.close();
  await server.close();
  const ended = await headwater(['health', '--config', file]);
  expect(ended.code).toBe(7);
  expect(ended.stderr).toContain('https://127.0.0.1:1/readyz: cannot be reached');
});

test('a port that the system chooses cannot be probed', async () => {
  const { code, stderr } = await headwater(['health', '--config', '/dev/null', '--set', 'listen.port=0']);
  expect(code).toBe(3);
  expect(stderr).toContain('listen.port');
});

test('the health check of the container is this command', async () => {
  const dockerfile = await readFile('Dockerfile', 'utf8');
  expect(dockerfile).toMatch(/^HEALTHCHECK [^\n]*\\\n +CMD headwater health \|\| exit 1$/m);
});
