import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clientAddress, ProxyTrust } from '../../../src/http/connection/client-address.ts';
import { TestServer } from '../../support/server.ts';

/** Where a request comes from that a peer sends, with what it says of others. */
function seenBy(proxies: string[], peer: string, forwarded?: string): string {
  const socket = new Socket();
  Object.defineProperty(socket, 'remoteAddress', { value: peer });
  const request = new IncomingMessage(socket);
  if (forwarded !== undefined) request.headers['x-forwarded-for'] = forwarded;
  new ProxyTrust(proxies).see(request);
  return clientAddress(request);
}

test.each([
  ['the peer, where nobody is trusted', [], '127.0.0.1', '192.0.2.7', '127.0.0.1'],
  ['the peer, when it is not trusted', ['10.0.0.0/8'], '192.0.2.1', '192.0.2.7', '192.0.2.1'],
  ['the peer, when it says nothing', ['10.0.0.0/8'], '10.0.0.1', undefined, '10.0.0.1'],
  ['whom a trusted peer names', ['10.0.0.0/8'], '10.0.0.1', '192.0.2.7', '192.0.2.7'],
  ['the last that is no proxy', ['10.0.0.0/8'], '10.0.0.1', '6.6.6.6, 192.0.2.7, 10.0.0.2', '192.0.2.7'],
  ['the first, when all are proxies', ['10.0.0.0/8'], '10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
  ['IPv4 through a socket of IPv6', ['10.0.0.1'], '::ffff:10.0.0.1', '::ffff:192.0.2.7', '192.0.2.7'],
  ['addresses with ports', ['::1', '10.0.0.2'], '::1', '[2001:db8::7]:4711, 10.0.0.2:80', '2001:db8::7'],
  [
    'nobody behind what is no address',
    ['10.0.0.0/8'],
    '10.0.0.1',
    '192.0.2.7, unknown, 10.0.0.2',
    '10.0.0.2',
  ],
  ['IPv4 in hexadecimal', ['10.0.0.0/8'], '10.0.0.1', '192.0.2.7, ::ffff:a00:2', '192.0.2.7'],
  ['nobody with a zone', ['10.0.0.1'], '10.0.0.1', '192.0.2.7, ::ffff:192.0.2.8%eth0', '10.0.0.1'],
] as const)('a request comes from %s', (_, proxies, peer, forwarded, address) => {
  expect(seenBy([...proxies], peer, forwarded)).toBe(address);
});

test('whatever a client says, a trusted proxy that appends the address of the client is believed', () => {
  const said = fc.oneof(
    fc.string(),
    fc.array(fc.ipV4(), { maxLength: 5 }).map((list) => list.join(', ')),
  );
  fc.assert(
    fc.property(said, fc.ipV4(), (forged, client) => {
      fc.pre(!client.startsWith('10.') && client !== '192.0.2.1');
      expect(seenBy(['10.0.0.0/8'], '10.0.0.1', `${forged}, ${client}`)).toBe(client);
      expect(seenBy(['10.0.0.0/8'], '192.0.2.1', `${forged}, ${client}`)).toBe('192.0.2.1');
    }),
  );
});

/** An address as proxies write it: as it is, with a port, in brackets, or IPv4 as IPv6. */
const written = (address: fc.Arbitrary<string>) =>
  fc
    .tuple(address, fc.constantFrom('', ':4711', '[]', '::ffff:'))
    .map(([text, form]) =>
      form === '[]' ? `[${text}]` : form === ':4711' ? `${text}:4711` : `${form}${text}`,
    );
const proxy = written(fc.nat(255).map((last) => `10.0.0.${last}`));
const stranger = written(fc.nat(255).map((last) => `192.0.2.${last}`));
const unreadable = ['', 'unknown', '_hidden', '10.0.0', '[10.0.0.2', '10.0.0.2:', '10.0.0.0/8', 'fe80::1%1'];
const garbage = fc.constantFrom(...unreadable);

test('no header of a peer that is not trusted changes where its request comes from', () => {
  const header = fc.oneof(
    fc.string(),
    fc.array(fc.oneof(proxy, stranger, garbage), { maxLength: 5 }).map((list) => list.join(',')),
  );
  const peer = fc.oneof(fc.ipV4(), fc.ipV6()).filter((address) => seenBy([], address) === address);
  fc.assert(
    fc.property(header, peer, (forged, address) => {
      fc.pre(!address.startsWith('10.0.0.'));
      expect(seenBy(['10.0.0.0/24'], address, forged)).toBe(address);
    }),
  );
});

test('a request comes from a trusted proxy only where everybody who can be read is one', () => {
  const entries = fc.array(fc.oneof(proxy, stranger, garbage), { maxLength: 6 });
  fc.assert(
    fc.property(entries, (list) => {
      const readable = list.slice(list.findLastIndex((entry) => unreadable.includes(entry)) + 1);
      const address = seenBy(['10.0.0.0/24'], '10.0.0.1', list.join(', '));
      expect(address.startsWith('10.0.0.')).toBe(readable.every((entry) => entry.includes('10.0.0.')));
    }),
  );
});

test('the audit log names the client behind a trusted proxy', async () => {
  const audited = async (trustedProxies: string[]) => {
    const server = await TestServer.start({ trustedProxies });
    const token = await server.token(['admin']);
    const { status } = await server.request('/api/v1/tokens', {
      method: 'POST',
      token,
      headers: { 'content-type': 'application/json', 'x-forwarded-for': '192.0.2.7' },
      body: JSON.stringify({ name: 'another', actions: ['read'] }),
    });
    expect(status).toBe(201);
    const [entry] = await server.workspace.catalog.audit.list({ limit: 1 });
    return entry;
  };
  expect(await audited(['127.0.0.0/8'])).toMatchObject({ action: 'token.create', from: '192.0.2.7' });
  expect(await audited([])).toMatchObject({ action: 'token.create', from: '127.0.0.1' });
});
