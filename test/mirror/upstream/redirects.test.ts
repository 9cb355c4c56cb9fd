import http from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Downloader } from '../../../src/mirror/upstream/downloader.ts';
import type { AddressRules } from '../../../src/mirror/upstream/guarded-connect.ts';
import { isPublicAddress } from '../../../src/net/public-address.ts';

const backoff = { attempts: 2, firstDelay: 1, longestDelay: 1 };

interface Site {
  url: string;
  port: number;
  requests: string[];
}

/** A server that answers each path with a redirect, or with the path. */
async function site(
  redirects: Record<string, string | (() => string)> = {},
  host = '127.0.0.1',
): Promise<Site> {
  const requests: string[] = [];
  const server = http.createServer((request, response) => {
    const path = request.url ?? '';
    requests.push(`${request.headers.host?.replace(/:.*/, '')} ${path}`);
    const to = redirects[path];
    if (to === undefined) response.end(path);
    else response.writeHead(302, { location: typeof to === 'string' ? to : to() }).end('secret-body');
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://${host}:${port}`, port, requests };
}

/** The names of a test, of which those that are `public` mean a public upstream, although all of them are this machine. */
function addresses(names: Record<string, string | (() => string)>, isPublic: string[]): AddressRules {
  return {
    isPublic: (address) => isPublic.includes(address),
    lookup: (name, _, callback) => {
      const found = names[name];
      if (found === undefined) {
        callback(Object.assign(new Error(`no ${name}`), { code: 'ENOTFOUND' }), []);
        return;
      }
      const address = typeof found === 'string' ? found : found();
      const all = address.split(' ').map((each) => ({ address: each, family: each.includes(':') ? 6 : 4 }));
      callback(null, all);
    },
  };
}

function open(
  url: string,
  options: { redirects?: string[]; addresses?: AddressRules } = {},
): (path: string) => Promise<string> {
  const downloader = new Downloader(
    { bases: [url], concurrency: 1, redirects: options.redirects ?? [] },
    { backoff, ...(options.addresses === undefined ? {} : { addresses: options.addresses }) },
  );
  onTestFinished(() => downloader.close());
  return async (path) => {
    const answer = await downloader.document(path);
    return answer.changed ? answer.bytes.toString() : '';
  };
}

test('a redirect to the host that was asked is followed', async () => {
  const { url, requests } = await site({ '/a': '/b', '/b': './c?d=e' });
  expect(await open(url)('a')).toBe('/c?d=e');
  expect(requests).toHaveLength(3);
});

test('a redirect to another host, or to another service of the same one, is followed only when it is listed', async () => {
  const other = await site();
  const { url } = await site({ '/a': () => `${other.url}/b`, '/c': `http://localhost:${other.port}/d` });
  const port = String(other.port);
  await expect(open(url)('a')).rejects.toMatchObject({
    kind: 'invalid',
    message: `${url}/a: redirects to ${other.url}: if that is right, add 127.0.0.1:${port} to "redirects" of the upstream`,
  });
  await expect(open(url)('c')).rejects.toThrow(/add localhost:\d+ to "redirects"/);
  expect(other.requests).toEqual([]);
  expect(await open(url, { redirects: [`127.0.0.1:${port}`] })('a')).toBe('/b');
  expect(await open(url, { redirects: [`localhost:${port}`] })('c')).toBe('/d');
  await expect(open(url, { redirects: ['127.0.0.1', 'localhost'] })('a')).rejects.toThrow(/is right, add/);
});

test('files that are read in small requests follow the same rules', async () => {
  const other = await site();
  const { url } = await site({ '/a': () => `${other.url}/b`, '/c': '/long' });
  const downloader = new Downloader({ bases: [url], concurrency: 1 }, { backoff });
  onTestFinished(() => downloader.close());
  await expect(downloader.bytes({ path: 'a', size: 2 })).rejects.toThrow(/redirects to/);
  expect((await downloader.bytes({ path: 'c', size: 5 })).toString()).toBe('/long');
});

test('a public upstream cannot redirect to this machine or a private network, by address or by name', async () => {
  const inner = await site({}, '127.0.0.2');
  const port = String(inner.port);
  const names = { 'mirror.test': '127.0.0.1', 'inner.test': '127.0.0.2', 'cdn.test': '127.0.0.1' };
  const rules = addresses(names, ['127.0.0.1']);
  const listed = [`inner.test:${port}`, `*.mirror.test:${port}`, `localhost:${port}`];
  const { port: own } = await site({
    '/name': `http://inner.test:${port}/x`,
    '/localhost': `http://localhost:${port}/x`,
    '/address': `http://127.0.0.2:${port}/x`,
    '/mapped': `http://[::ffff:127.0.0.2]:${port}/x`,
    '/number': `http://2130706434:${port}/x`,
  });
  const get = open(`http://mirror.test:${own}`, { redirects: listed, addresses: rules });
  await expect(get('name')).rejects.toMatchObject({
    kind: 'invalid',
    message: expect.stringMatching(/inner\.test has the address 127\.0\.0\.2, which is on a private network/),
  });
  await expect(get('localhost')).rejects.toThrow(/localhost:\d+, which is on a private network/);
  for (const path of ['address', 'mapped', 'number']) await expect(get(path)).rejects.toThrow(/redirects to/);
  expect(inner.requests).toEqual([]);
  // What the definition itself says is an administrator's word.
  const told = open(`http://mirror.test:${own}`, { redirects: [`127.0.0.2:${port}`], addresses: rules });
  expect(await told('address')).toBe('/x');
  const internal = await site({ '/name': `http://inner.test:${port}/y` }, '127.0.0.2');
  const within = addresses({ ...names, 'mirror.test': '127.0.0.2' }, ['127.0.0.1']);
  expect(
    await open(`http://mirror.test:${internal.port}`, { redirects: listed, addresses: within })('name'),
  ).toBe('/y');
});

test('a name that changes its address while it is used leads nowhere else', async () => {
  const { port, requests } = await site({ '/a': '/b' });
  const inner = await site({}, '127.0.0.2');
  let asked = 0;
  const rules = addresses({ 'mirror.test': () => (asked++ === 0 ? '127.0.0.1' : '127.0.0.2') }, [
    '127.0.0.1',
  ]);
  await expect(open(`http://mirror.test:${port}`, { addresses: rules })('a')).rejects.toThrow(
    /mirror\.test has the address 127\.0\.0\.2/,
  );
  expect(requests).toEqual(['mirror.test /a']);
  expect(inner.requests).toEqual([]);
});

test('of several addresses of a name only the public ones are connected to', async () => {
  const { port } = await site();
  const rules = addresses({ 'mirror.test': '127.0.0.2 127.0.0.1' }, ['127.0.0.1']);
  expect(await open(`http://mirror.test:${port}`, { addresses: rules })('a')).toBe('/a');
});

test('nothing that the upstream sent is in the message but the name of a host', async () => {
  const { url } = await site({
    '/a': 'http://other.example/secret-path?token=secret',
    '/b': 'http://[secret',
    '/c': `http://${'a'.repeat(5000)}.example/`,
    '/d': 'file:///etc/secret',
  });
  const get = open(url);
  for (const path of ['a', 'b', 'c', 'd']) {
    const error: unknown = await get(path).catch((thrown: unknown) => thrown);
    expect(String(error)).toMatch(/redirects/);
    expect(String(error)).not.toMatch(/secret/);
    expect(String(error).length).toBeLessThan(800);
  }
});

test('redirects end somewhere', async () => {
  const { url, requests } = await site({ '/a': '/a' });
  await expect(open(url)('a')).rejects.toThrow(/redirects more than 5 times/);
  expect(requests).toHaveLength(6);
});

test('through a proxy redirects are judged by name, since only the proxy knows addresses', async () => {
  const { port } = await site({
    '/a': 'http://inner.test/b',
    '/c': 'http://127.0.0.2/d',
    '/e': 'http://metadata.localhost/f',
    '/g': 'http://refused.test/',
  });
  const proxied: string[] = [];
  const proxy = http.createServer((request, response) => {
    const { host, pathname: path } = new URL(request.url ?? '');
    proxied.push(host);
    if (host === 'refused.test') {
      response.writeHead(502).end();
      return;
    }
    const forwarded = { port, host: '127.0.0.1', path, headers: request.headers };
    http.get(forwarded, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  vi.stubEnv('http_proxy', `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`);
  vi.stubEnv('no_proxy', '');
  onTestFinished(async () => {
    vi.unstubAllEnvs();
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  });
  const get = open('http://mirror.test', { redirects: ['inner.test', 'refused.test'] });
  expect(await get('a')).toBe('/b');
  await expect(get('c')).rejects.toThrow(/redirects to http:\/\/127\.0\.0\.2/);
  const everything = open('http://mirror.test', { redirects: ['metadata.localhost'] });
  await expect(everything('e')).rejects.toThrow(/metadata\.localhost, which is on a private network/);
  await expect(get('g')).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringContaining('answered 502'),
  });
  expect(new Set(proxied)).toEqual(new Set(['mirror.test', 'inner.test', 'refused.test']));
});

test.each([
  [
    '0.0.0.0 10.1.2.3 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.255 169.254.169.254 172.16.0.1 172.31.255.255',
  ],
  [
    '192.0.0.8 192.0.2.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255',
  ],
  [':: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:a00:1 ::ffff:0:10.0.0.1 64:ff9b::10.0.0.1 64:ff9b::a9fe:a9fe'],
  [
    '64:ff9b:1::8.8.8.8 100::1 2001::1 2001:db8::1 2002:7f00:1::1 fc00::1 fd12::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1',
  ],
  ['mirror.test 1.2.3 ::g'],
])('%s are no public addresses', (list) => {
  for (const address of list.split(' '))
    expect([address, isPublicAddress(address)]).toEqual([address, false]);
});

test.each([
  [
    '1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 169.253.1.1 172.15.1.1',
  ],
  [
    '172.32.0.1 192.167.1.1 192.169.1.1 198.17.1.1 198.20.0.1 223.255.255.255 2606:4700::1111 2a00:1450:4001::1',
  ],
  ['::ffff:8.8.8.8 ::ffff:808:808 64:ff9b::8.8.8.8 2620:2d:4000:1::17'],
])('%s are public addresses', (list) => {
  for (const address of list.split(' ')) expect([address, isPublicAddress(address)]).toEqual([address, true]);
});

test('an IPv4 address is what it is also within an IPv6 one', () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      for (const prefix of ['::ffff:', '64:ff9b::', '::ffff:0:']) {
        expect(isPublicAddress(prefix + address)).toBe(isPublicAddress(address));
      }
    }),
  );
});
