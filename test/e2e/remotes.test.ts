import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { clients, emptyDaemons, trustedTls } from '../support/daemons.ts';
import { digestOf, imageSerial, newerSerial, smallImage } from '../support/images.ts';
import { mirrorSigned } from '../support/sstream.ts';
import { freePort, Headwater } from './headwater.ts';
import { proxyAddress, startNginx } from './nginx.ts';

// The numbers are those of the acceptance cases for simplestreams servers.

const file = (name: string) => path.join(inject('images'), name);
const first = () => [file('squashfs/metadata.tar.xz'), file('squashfs/rootfs.squashfs')];
const second = () => [file('newer/metadata.tar.xz'), file('newer/rootfs.squashfs')];

let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'headwater-remotes-'));
});

afterAll(async () => {
  await emptyDaemons();
  await rm(scratch, { recursive: true, force: true });
});

describe('a server with a certificate that clients trust', () => {
  let headwater: Headwater;

  beforeAll(async () => {
    headwater = await Headwater.create({ tls: trustedTls });
    await headwater.start(trustedTls.certificate);
    await headwater.publish(...first());
  });

  afterAll(async () => {
    await headwater.remove();
  });

  test('5: the port for TLS answers image files over plain HTTP and sends everything else to https', async () => {
    const plain = headwater.url.replace('https:', 'http:');
    const [product] = Object.values((await headwater.document()).products);
    const [item] = Object.values(product?.versions[imageSerial]?.items ?? {});
    const image = await headwater.fetch(`${plain}/${item?.path}`);
    expect(image.status).toBe(200);
    expect((await image.arrayBuffer()).byteLength).toBe(item?.size);
    const index = await headwater.fetch(`${plain}/streams/v1/index.json`);
    expect(index.status).toBeGreaterThanOrEqual(301);
    expect(index.headers.get('location')).toBe(`${headwater.url}/streams/v1/index.json`);
  });

  test('12: documents are sent compressed to clients that ask, as LXD and Incus do', async () => {
    for (const document of ['index', 'images']) {
      const target = `/streams/v1/${document}.json`;
      const plain = await headwater.fetch(target, { headers: { 'accept-encoding': 'identity' } });
      expect(plain.headers.get('content-encoding')).toBeNull();
      const packed = await headwater.fetch(target, { headers: { 'accept-encoding': 'gzip' } });
      expect(packed.headers.get('content-encoding')).toBe('gzip');
      expect(await packed.json()).toEqual(await plain.json());
    }
  });

  describe.each(clients)('with $name', (client) => {
    test('8: a new version is listed at once, while the daemon goes on with the index it kept', async () => {
      const remote = `fresh-${client.name}`;
      await client.addRemote(remote, headwater.url);
      const copy = async () => {
        await client.run('image', 'copy', `${remote}:debian/bookworm`, 'local:');
        const [image] = await client.images('local');
        await client.run('image', 'delete', image?.fingerprint ?? '');
        return image?.fingerprint;
      };
      expect(await copy()).toBe(await digestOf(...first()));

      await headwater.publish(...second());
      await client.forgetClientIndex();
      const info = await client.run('image', 'info', `${remote}:debian/bookworm`);
      expect(info).toContain(await digestOf(...second()));
      expect(info).toContain(newerSerial);
      // Even what was removed stays there for those whose index still names it.
      await headwater.cli('remove', `debian/bookworm/amd64@${imageSerial}`);
      expect(await copy()).toBe(await digestOf(...first()));
      await client.forgetIndex();
      expect(await copy()).toBe(await digestOf(...second()));

      await headwater.cli('remove', `debian/bookworm/amd64@${newerSerial}`);
      await headwater.publish(...first());
    });

    test('11: versions, releases and requirements that look like numbers do not break the remote', async () => {
      const remote = `odd-${client.name}`;
      const directory = path.join(scratch, remote);
      await smallImage(directory, {
        properties: {
          os: 'Odd Linux',
          release: 12,
          version: 12.5,
          variant: client.name,
          serial: 20260102,
          description: true,
        },
      });
      await writeFile(
        path.join(directory, 'image.yaml'),
        'simplestream:\n  requirements:\n  - requirements:\n      secureboot: false\n      level: 3\n',
      );
      await headwater.publish(directory);
      await client.addRemote(remote, headwater.url);
      const images = await client.images(remote);
      const odd = images.find((image) =>
        image.aliases.some((alias) => alias.name === `odd-linux/12/${client.name}`),
      );
      expect(odd?.properties).toMatchObject({
        os: 'Odd Linux',
        release: '12',
        serial: '20260102_0000',
        'requirements.secureboot': 'false',
        'requirements.level': '3',
      });
      const name = `beside-${client.name}`;
      await client.run('launch', '-q', `${remote}:debian/bookworm`, name);
      expect(await client.inside(name, 'hostname')).toBe(`${name}\n`);
      await client.run('delete', '--force', name);
    });
  });
});

describe('a server behind nginx, configured as in config/nginx.conf', () => {
  let headwater: Headwater;
  let stopNginx: (() => Promise<void>) | undefined;
  let tlsOnly: number;

  beforeAll(async () => {
    tlsOnly = await freePort();
    headwater = await Headwater.create({ tls: 'off', publicUrl: `https://${proxyAddress}` });
    await headwater.start();
    stopNginx = await startNginx(headwater.port, tlsOnly);
    await headwater.publish(...first());
  });

  afterAll(async () => {
    await stopNginx?.();
    await headwater.remove();
  });

  test('5: port 80 sends clients to https', async () => {
    const { statusCode, headers } = await request(`http://${proxyAddress}/images/a`);
    expect(statusCode).toBe(301);
    expect(headers['location']).toBe(`https://${proxyAddress}/images/a`);
  });

  describe.each(clients)('with $name', (client) => {
    test.each([
      ['whose port 80 redirects', () => `https://${proxyAddress}`],
      ['whose port speaks TLS only', () => `https://${proxyAddress}:${tlsOnly}`],
    ])('5: an image is copied from a remote %s', async (_, url) => {
      await client.addRemote('proxied', url());
      await client.run('image', 'copy', 'proxied:debian/bookworm', 'local:', '--alias', 'proxied');
      const [image] = await client.images('local');
      expect(image?.fingerprint).toBe(await digestOf(...first()));
      await client.run('image', 'delete', 'proxied');
    });
  });
});

describe('a server with the certificate that it made itself', () => {
  let headwater: Headwater;

  beforeAll(async () => {
    headwater = await Headwater.create();
    // LXD and Incus see no difference in a server that signs its documents.
    await headwater.cli('key', 'create');
    await headwater.start();
    await headwater.publish(...first());
  });

  afterAll(async () => {
    await headwater.remove();
  });

  test('signs its documents', async () => {
    const bytes = async (target: string) => Buffer.from(await (await headwater.fetch(target)).arrayBuffer());
    const keyring = path.join(scratch, 'headwater.gpg');
    await writeFile(keyring, await bytes('/keys/headwater.gpg'));
    const types = async () =>
      [...(await mirrorSigned((target) => bytes(`/${target}`), keyring)).values()].map(({ ftype }) => ftype);
    // Clear-signed documents follow the others.
    await expect.poll(types).toContain('squashfs');
  });

  describe.each(clients)('with $name', (client) => {
    test('12: is refused until its certificate is pinned, then launches', async () => {
      const remote = `pinned-${client.name}`;
      await client.addRemote(remote, headwater.url);
      const refused = await client.attempt('image', 'list', `${remote}:`);
      expect(refused.code).not.toBe(0);
      expect(refused.stderr).toContain('certificate signed by unknown authority');

      await mkdir(path.dirname(client.pin(remote)), { recursive: true });
      await copyFile(headwater.ownCertificate, client.pin(remote));
      const images = await client.images(remote);
      expect(images.map((image) => image.fingerprint)).toEqual([await digestOf(...first())]);
      await client.run('launch', '-q', `${remote}:debian/bookworm`, remote);
      expect(await client.inside(remote, 'hostname')).toBe(`${remote}\n`);
      await client.run('delete', '--force', remote);
    });
  });
});
