import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Published } from '../../src/publish/request.ts';
import { type Client, type ClientImage, clients, emptyDaemons, trustedTls } from '../support/daemons.ts';
import { digestOf, imageSerial } from '../support/images.ts';
import { Headwater } from './headwater.ts';
import { stores } from './stores.ts';

const remote = 'published';

// The numbers are those of the acceptance cases for simplestreams servers.
describe.each(stores)('images in the $name store', (store) => {
  let headwater: Headwater;
  let published: Record<'squashfs' | 'tarxz' | 'unified' | 'bare', Published>;
  let scratch: string;

  const file = (...parts: string[]) => path.join(inject('images'), ...parts);
  const squashfsImage = [file('squashfs/metadata.tar.xz'), file('squashfs/rootfs.squashfs')];
  const diskImage = [file('squashfs/metadata.tar.xz'), file('squashfs/disk.qcow2')];

  beforeAll(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), 'headwater-export-'));
    const { settings, environment } = store.fresh();
    headwater = await Headwater.create({ tls: trustedTls, ...settings }, environment);
    await headwater.start(trustedTls.certificate);
    published = {
      squashfs: await headwater.publish(
        ...[...squashfsImage, file('squashfs/disk.qcow2')],
        ...['--alias', 'stable', '--requirement', 'secureboot=false', '--eol', '2028-06-30'],
      ),
      tarxz: await headwater.publish(file('tarxz/metadata.tar.xz'), file('tarxz/rootfs.tar.xz')),
      unified: await headwater.publish(file('unified/debian.tar.gz')),
      bare: await headwater.publish(
        ...[file('bare/debian.tar.gz'), '--variant', 'bare', '--serial', imageSerial],
      ),
    };
    for (const client of clients) await client.addRemote(remote, headwater.url);
  });

  afterAll(async () => {
    await emptyDaemons();
    await headwater.remove();
    await rm(scratch, { recursive: true, force: true });
  });

  test('a publish reports the product, the serial and the fingerprints that clients compute', async () => {
    expect(published.squashfs).toMatchObject({
      outcome: 'created',
      product: 'debian:bookworm:amd64:default',
      serial: imageSerial,
      stream: 'images',
    });
    const fingerprints = Object.fromEntries(
      published.squashfs.images.map((image) => [image.type, image.fingerprint]),
    );
    expect(fingerprints).toEqual({
      container: await digestOf(...squashfsImage),
      'virtual-machine': await digestOf(...diskImage),
    });
    expect(published.unified.images[0]?.fingerprint).toBe(await digestOf(file('unified/debian.tar.gz')));
    expect(published.bare.product).toBe('debian:bookworm:amd64:bare');
  });

  describe.each(clients)('with $name', (client) => {
    test('1: image list shows the container and the virtual machine of one version', async () => {
      const listed = (await client.images(remote)).filter((image) => aliases(image).includes('stable'));
      expect(listed.map((image) => image.type).sort()).toEqual(['container', 'virtual-machine']);
      for (const image of listed) {
        const files = image.type === 'container' ? squashfsImage : diskImage;
        expect(image).toMatchObject({
          fingerprint: await digestOf(...files),
          architecture: 'x86_64',
          size: await sizeOf(files),
        });
        expect(aliases(image)).toEqual(
          expect.arrayContaining(['debian/bookworm', 'debian/bookworm/default', 'debian/bookworm/amd64']),
        );
      }
    });

    test('2: image info by alias, alias/architecture and fingerprint agree', async () => {
      const fingerprint = await digestOf(...squashfsImage);
      // The clients print properties in no particular order.
      const info = async (name: string) =>
        (await client.run('image', 'info', `${remote}:${name}`)).split('\n').sort();
      const byAlias = await info('debian/bookworm');
      expect(byAlias).toContain(`Fingerprint: ${fingerprint}`);
      for (const name of ['stable', 'debian/bookworm/default', 'debian/bookworm/amd64']) {
        expect(await info(name)).toEqual(byAlias);
      }
      expect(await info(fingerprint.slice(0, 12))).toEqual(byAlias);
    });

    test('3: image copy keeps the fingerprint, the serial and the requirements', async () => {
      await client.run('image', 'copy', `${remote}:debian/bookworm`, 'local:', '--alias', 'copied');
      const copied = await localImage(client, 'copied');
      expect(copied).toMatchObject({
        type: 'container',
        fingerprint: await digestOf(...squashfsImage),
        properties: {
          os: 'Debian',
          release: 'bookworm',
          architecture: 'amd64',
          serial: imageSerial,
          'requirements.secureboot': 'false',
        },
      });
      await client.run('image', 'delete', copied.fingerprint);
    });

    test('4: image copy --vm gets the qcow2 disk', async () => {
      await client.run('image', 'copy', '--vm', `${remote}:debian/bookworm`, 'local:', '--alias', 'machine');
      const copied = await localImage(client, 'machine');
      expect(copied).toMatchObject({
        type: 'virtual-machine',
        fingerprint: await digestOf(...diskImage),
      });
      await client.run('image', 'delete', copied.fingerprint);
    });

    test.each([
      'debian/bookworm',
      'debian/bookworm/tarxz',
      'debian/bookworm/unified',
      'debian/bookworm/bare',
    ])('6: image export %s writes files that make up the fingerprint', async (alias) => {
      const listed = (await client.images(remote)).find(
        (image) => image.type === 'container' && aliases(image).includes(alias),
      );
      const byAlias = await exported(client, alias);
      expect(await digestOf(...byAlias)).toBe(listed?.fingerprint);
      const byFingerprint = await exported(client, `${listed?.fingerprint.slice(0, 12)}`);
      expect(await digestOf(...byFingerprint)).toBe(listed?.fingerprint);
    });

    test.each(['squashfs', 'tarxz', 'unified', 'bare'] as const)(
      'a container launched from the %s image runs a command',
      async (form) => {
        const variant = form === 'squashfs' ? 'default' : form;
        const name = `run-${form}`;
        await client.run('launch', '-q', `${remote}:debian/bookworm/${variant}`, name);
        const inside = (...command: string[]) => client.inside(name, ...command);
        expect(await inside('cat', '/etc/os-release')).toContain('VERSION_CODENAME=bookworm');
        expect((await inside('cat', '/proc/1/comm')).trim()).toBe('systemd');
        // Written by the image's templates, which the bare image got from Headwater.
        expect((await inside('cat', '/etc/hostname')).trim()).toBe(name);
        if (form === 'bare') expect(await inside('cat', '/etc/hosts')).toMatch(/^127\.0\.1\.1\s+run-bare$/m);
        expect(await client.run('config', 'get', name, 'image.serial')).toBe(`${imageSerial}\n`);
        await client.run('delete', '--force', name);
      },
    );
  });

  test('7: LXD and Incus see the same images', async () => {
    const [lxd, incus] = await Promise.all(clients.map((client) => client.images(remote)));
    const facts = (images: ClientImage[] | undefined) =>
      images
        ?.map(({ fingerprint, type, size, architecture }) => ({ fingerprint, type, size, architecture }))
        .sort((left, right) => left.fingerprint.localeCompare(right.fingerprint));
    expect(facts(lxd)).toHaveLength(5);
    expect(facts(incus)).toEqual(facts(lxd));
  });

  /** Exports an image and gives its files, metadata first. */
  async function exported(client: Client, name: string): Promise<string[]> {
    const directory = await mkdtemp(path.join(scratch, 'export-'));
    await client.run('image', 'export', `${remote}:${name}`, directory);
    const files = (await readdir(directory)).map((entry) => path.join(directory, entry));
    const sizes = new Map(
      await Promise.all(files.map(async (entry) => [entry, await sizeOf([entry])] as const)),
    );
    return files.sort((left, right) => (sizes.get(left) ?? 0) - (sizes.get(right) ?? 0));
  }
});

function aliases(image: ClientImage): string[] {
  return image.aliases.map((alias) => alias.name);
}

async function localImage(client: Client, alias: string): Promise<ClientImage> {
  const found = (await client.images('local')).find((image) => aliases(image).includes(alias));
  if (found === undefined) throw new Error(`${client.name} has no image ${alias}`);
  return found;
}

async function sizeOf(files: string[]): Promise<number> {
  const stats = await Promise.all(files.map((entry) => stat(entry)));
  return stats.reduce((sum, { size }) => sum + size, 0);
}
