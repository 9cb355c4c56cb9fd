import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Downloader } from '../../../src/mirror/upstream/downloader.ts';
import { scratchDirectory } from '../../support/catalog.ts';
import { run } from '../../support/command.ts';
import { demand } from '../../support/needs.ts';
import { makeStates, runOnce } from '../guard/states.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition, mirrorServices } from '../workspace.ts';

/**
 * A proxy with the usual rules of Squid: http is forwarded, and a tunnel may go to the port of https only.
 * @param tunnelPort stands for port 443
 */
async function startProxy({ tunnelPort = 443, password = '' } = {}) {
  const requests: string[] = [];
  const isAllowed = ({ headers }: http.IncomingMessage) =>
    password === '' || headers['proxy-authorization'] === `Basic ${Buffer.from(password).toString('base64')}`;
  const server = http.createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (!isAllowed(request)) {
      response.writeHead(407).end();
      return;
    }
    const { 'proxy-authorization': _, ...headers } = request.headers;
    const forwarded = http.request(request.url ?? '', { headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    forwarded.on('error', () => response.writeHead(502).end());
    request.pipe(forwarded);
  });
  server.on('connect', (request, client) => {
    requests.push(`CONNECT ${request.url}`);
    const port = Number(request.url?.split(':').at(-1));
    if (port !== tunnelPort) {
      client.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      return;
    }
    const target = net.connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      target.pipe(client).pipe(target);
    });
    client.on('error', () => target.destroy());
    target.on('error', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, requests };
}

function setProxy(url: string): void {
  for (const name of ['http_proxy', 'https_proxy', 'no_proxy', 'NO_PROXY']) vi.stubEnv(name, '');
  for (const name of ['http_proxy', 'https_proxy', 'no_proxy', 'NO_PROXY']) delete process.env[name];
  vi.stubEnv('HTTP_PROXY', url);
  vi.stubEnv('HTTPS_PROXY', url);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
}

test('a plain http upstream is mirrored through a proxy that allows CONNECT to port 443 only', async () => {
  const upstream = await TestUpstream.start();
  await makeStates(upstream);
  const proxy = await startProxy();
  setProxy(`http://127.0.0.1:${proxy.port}`);
  const result = await runOnce(definition(upstream.url), await mirrorServices());
  expect(result).toMatchObject({ outcome: 'success', report: { added: 3 } });
  expect(proxy.requests.length).toBe(upstream.requests.length);
  expect(proxy.requests[0]).toBe(`GET ${upstream.url}/streams/v1/index.json`);
  expect(proxy.requests.filter((request) => request.startsWith('CONNECT'))).toEqual([]);
});

test('an https upstream is reached through a tunnel', async () => {
  demand('openssl');
  const directory = await scratchDirectory();
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const files = ['-keyout', key, '-out', certificate];
  await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...files, ...subject]);
  const tls = { key: readFileSync(key), cert: readFileSync(certificate) };
  const server = https.createServer(tls, (_, response) => response.end('text'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const proxy = await startProxy({ tunnelPort: port });
  setProxy(`http://127.0.0.1:${proxy.port}`);
  const downloader = new Downloader({
    bases: [`https://127.0.0.1:${port}`],
    ca: tls.cert.toString(),
    concurrency: 1,
  });
  onTestFinished(() => downloader.close());
  expect((await downloader.bytes({ path: 'file', size: 4 })).toString()).toBe('text');
  expect(proxy.requests).toEqual([`CONNECT 127.0.0.1:${port}`]);
});

test('a proxy that wants a password gets the one in its address, and says what is wrong without it', async () => {
  const upstream = await TestUpstream.start();
  upstream.files.set('file', Buffer.from('text'));
  const proxy = await startProxy({ password: 'user:secret' });
  const download = async () => {
    const downloader = new Downloader({ bases: [upstream.url], concurrency: 1 });
    onTestFinished(() => downloader.close());
    return (await downloader.bytes({ path: 'file', size: 4 })).toString();
  };
  setProxy(`http://user:secret@127.0.0.1:${proxy.port}`);
  expect(await download()).toBe('text');
  setProxy(`http://127.0.0.1:${proxy.port}`);
  await expect(download()).rejects.toThrow(/the proxy answered 407: check HTTPS_PROXY, HTTP_PROXY/);
});

test('a proxy that sends no byte is given up after the idle time', async () => {
  const silent = net.createServer();
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    silent.close();
  });
  setProxy(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`);
  const downloader = new Downloader(
    { bases: ['http://upstream.example'], concurrency: 1 },
    { idle: 200, backoff: { attempts: 1, firstDelay: 1, longestDelay: 1 } },
  );
  onTestFinished(() => downloader.close());
  await expect(downloader.bytes({ path: 'file', size: 4 })).rejects.toThrow(/the upstream does not answer/);
});
