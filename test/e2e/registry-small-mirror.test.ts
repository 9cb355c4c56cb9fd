import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { clients, emptyDaemons, trustedTls } from '../support/daemons.ts';
import { digestOf, smallImage } from '../support/images.ts';
import { Headwater } from './headwater.ts';
import { ImageServer } from './image-server.ts';
import { joinRegistry } from './registry.ts';

// Acceptance case 29 where the configuration allows it; registry-copy.test.ts has the other half.

const file = (name: string) => path.join(inject('images'), name);

describe.each(clients)('with $name', (client) => {
  const remote = (name: string) => `small-${client.name}:${name}`;
  const source = `images-${client.name}:debian/bookworm`;
  const alias = 'mirrored/debian';
  let scratch: string;
  let upstream: Headwater;
  let headwater: Headwater;
  let signed: ImageServer;

  beforeAll(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), 'headwater-small-mirror-'));
    upstream = await Headwater.create({ tls: trustedTls });
    await upstream.start(trustedTls.certificate);
    signed = await ImageServer.create();
    headwater = await Headwater.create({
      tls: trustedTls,
      registry: {
        mirrorFrom: [
          { url: upstream.url, unsigned: true, ca: trustedTls.certificate },
          { url: signed.url, keyring: signed.keyring },
        ],
        refreshEvery: '2s',
      },
    });
    await headwater.start(trustedTls.certificate);
    await joinRegistry(client, headwater, `small-${client.name}`);
    await client.addRemote(`images-${client.name}`, upstream.url);
  });

  afterAll(async () => {
    await emptyDaemons();
    await headwater.remove();
    await upstream.remove();
    await signed.remove();
    await rm(scratch, { recursive: true, force: true });
  });

  const target = async () =>
    (await client.images(`small-${client.name}`)).find((image) =>
      image.aliases.some(({ name }) => name === alias),
    )?.fingerprint;

  test('29: copy --auto-update of an image that is there makes a small mirror', async () => {
    const old = [file('newer/metadata.tar.xz'), file('newer/rootfs.squashfs')];
    await upstream.publish(...old, '--serial', '20260101_0000');
    await client.run('image', 'copy', source, remote(''), '--auto-update', '--alias', alias);
    expect(await target()).toBe(await digestOf(...old));
    expect(await client.run('image', 'info', remote(alias))).toMatch(/Auto update: enabled/);
    const name = `small-${client.name}`;
    await client.run('launch', remote(alias), name);
    expect(await client.inside(name, 'cat', '/etc/debian_version')).toMatch(/^\d+/);
    await client.run('delete', '--force', name);

    const newer = await smallImage(await mkdtemp(path.join(scratch, 'image-')), {
      properties: { os: 'Debian', release: 'bookworm' },
      bytes: 65_536,
    });
    await upstream.publish(...newer, '--serial', '20260102_0000');
    await expect.poll(target, { timeout: 30_000, interval: 500 }).toBe(await digestOf(...newer));
    expect(await client.run('image', 'refresh', remote(alias))).toMatch(/already up to date/i);
  });

  // The clients themselves name no server that speaks plain HTTP.
  test('29: an image of a signed tree that incus-simplestreams keeps is copied and launched', async () => {
    const name = { release: 'bookworm', architecture: 'x86_64', made: '2026-01-02T03:04:00Z' };
    await signed.add(name, file('newer/rootfs.squashfs'));
    await signed.start();
    const request = {
      aliases: [{ name: 'signed' }],
      source: {
        type: 'image',
        mode: 'pull',
        protocol: 'simplestreams',
        server: signed.url,
        fingerprint: 'Debian/bookworm/default',
        image_type: 'container',
      },
    };
    await client.run('query', '--wait', '-X', 'POST', '-d', JSON.stringify(request), remote('/1.0/images'));
    await client.run('launch', remote('signed'), `signed-${client.name}`);
    const release = await client.inside(`signed-${client.name}`, 'cat', '/etc/os-release');
    expect(release).toContain('Debian');
    await client.run('delete', '--force', `signed-${client.name}`);
  });

  test('29: what the image server does not have is refused in words', async () => {
    const said = await client.attempt('image', 'copy', source, remote(''), '--vm', '--alias', 'never');
    expect(said.code).not.toBe(0);
    expect(await client.run('image', 'alias', 'list', remote(''))).not.toContain('never');
  });
});
