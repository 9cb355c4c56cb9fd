import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Client, clients, emptyDaemons, trustedTls } from '../support/daemons.ts';
import { digestOf, smallImage } from '../support/images.ts';
import { Headwater } from './headwater.ts';
import { joinRegistry } from './registry.ts';

// The numbers are those of the acceptance cases for registries.

const shared = 'a secret that is shared';

/** How the client is told a secret or a token beside the URL: LXD 5.0 has one flag for both. */
function secretFlag(client: Client): string {
  return client.name === 'lxd' ? '--password' : '--token';
}

/** What a client has to say of a server once it is a remote of it. */
interface ServerView {
  auth: string;
  environment: { server_name: string; addresses: string[] };
}

async function query(client: Client, remote: string): Promise<ServerView> {
  return JSON.parse(await client.run('query', `${remote}:/1.0`)) as ServerView;
}

afterAll(async () => {
  await emptyDaemons();
});

// A client asks for another port's certificate to be accepted in one case, and trusts it already in the other.
describe.each([
  ['whose certificate the client is told to accept', {}, ['--accept-certificate']],
  ['whose certificate the client trusts', { tls: trustedTls }, []],
])('a server %s', (_, settings, flags: string[]) => {
  let headwater: Headwater;

  beforeAll(async () => {
    headwater = await Headwater.create(settings, { HEADWATER_JOIN_SECRET: shared });
    await headwater.start('tls' in settings ? trustedTls.certificate : undefined);
  });

  afterAll(async () => {
    await headwater.remove();
  });

  describe.each(clients)('with $name', (client) => {
    const remote = `registry-${client.name}`;

    const add = async (...rest: string[]) => await client.attempt('remote', 'add', remote, ...rest);

    afterEach(async () => {
      await client.attempt('remote', 'remove', remote);
      for (const { id } of await joined()) await headwater.attempt('client', 'revoke', id);
    });

    const joined = async () => {
      const all = JSON.parse(await headwater.cli('client', 'list', '--json')) as {
        id: string;
        name: string;
        revokedAt?: string;
      }[];
      return all.filter(({ revokedAt }) => revokedAt === undefined);
    };

    // First of all: a certificate that was revoked is let in by join tokens only.
    test('13: remote add with the shared secret is trusted', async () => {
      const added = await add(headwater.url, ...flags, secretFlag(client), shared);
      expect(added).toMatchObject({ code: 0 });
      expect(await query(client, remote)).toMatchObject({ auth: 'trusted' });
      expect(await joined()).toMatchObject([{ actions: ['read', 'publish', 'remove'], streams: ['pushed'] }]);

      await headwater.cli('client', 'revoke', (await joined())[0]?.id ?? '');
      await client.run('remote', 'remove', remote);
      const again = await add(headwater.url, ...flags, secretFlag(client), shared);
      expect(again.code).not.toBe(0);
      expect(again.stderr).toContain('was revoked: ask for a join token');
    });

    test('13: remote add with a join token is trusted; the token works once', async () => {
      const token = (await headwater.cli('token', 'create', `${client.name} 13`, '--join')).trim();
      const added = await add(headwater.url, ...flags, secretFlag(client), token);
      expect(added).toMatchObject({ code: 0 });
      expect(await query(client, remote)).toMatchObject({ auth: 'trusted' });
      expect((await joined()).map(({ name }) => name)).toEqual([`${client.name} 13`]);

      await headwater.cli('client', 'revoke', `${client.name} 13`);
      expect(await query(client, remote)).toMatchObject({ auth: 'untrusted' });
      await client.run('remote', 'remove', remote);
      const again = await add(headwater.url, ...flags, secretFlag(client), token);
      expect(again.code).not.toBe(0);
      expect(again.stderr).toContain('not authorized');
    });

    test('13: remote add with a wrong secret is refused, and says so', async () => {
      const refused = await add(headwater.url, ...flags, secretFlag(client), 'a secret that is wrong');
      expect(refused.code).not.toBe(0);
      expect(refused.stderr).toContain('not authorized');
      expect(await joined()).toEqual([]);
    });

    test('14: remote add with nothing but a join token finds the server and pins its certificate', async () => {
      const token = (await headwater.cli('token', 'create', `${client.name} 14`, '--join')).trim();
      expect(await add(token)).toMatchObject({ code: 0 });
      const view = await query(client, remote);
      expect(view.auth).toBe('trusted');
      expect(view.environment.addresses).toEqual([`127.0.0.1:${headwater.port}`]);
      expect((await joined()).map(({ name }) => name)).toEqual([`${client.name} 14`]);
    });
  });
});

describe('two registries with one certificate', () => {
  let source: Headwater;
  let target: Headwater;
  let scratch: string;

  beforeAll(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), 'headwater-trust-'));
    source = await Headwater.create();
    await source.start();
    const certificate = source.ownCertificate;
    target = await Headwater.create({
      tls: { certificate, key: certificate.replace(/crt$/, 'key') },
      registry: { pullFrom: ['127.0.0.1'] },
    });
    await target.start(certificate);
  });

  afterAll(async () => {
    await source.remove();
    await target.remove();
    await rm(scratch, { recursive: true, force: true });
  });

  test.each(clients)('27: an image is copied from one to the other with $name', async (client) => {
    const [one, other] = [`one-${client.name}`, `other-${client.name}`];
    await joinRegistry(client, source, one);
    await joinRegistry(client, target, other);
    const files = await smallImage(path.join(scratch, client.name), {
      properties: { os: 'Debian', release: 'bookworm' },
    });
    await client.run('image', 'import', ...files, `${one}:`, '--alias', 'app');
    const fingerprint = await digestOf(...files);
    for (const mode of ['pull', 'relay']) {
      await client.run('image', 'copy', `${one}:app`, `${other}:`, '--mode', mode, '--alias', `${mode}/app`);
      expect((await client.images(other)).map((image) => image.fingerprint)).toEqual([fingerprint]);
      await client.run('image', 'delete', `${other}:${fingerprint}`);
    }
  });
});
