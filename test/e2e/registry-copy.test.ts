import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { attempt, run } from '../support/command.ts';
import { type Client, clientEnvironment, clients, emptyDaemons, trustedTls } from '../support/daemons.ts';
import { digestOf, smallImage } from '../support/images.ts';
import { freePort, Headwater } from './headwater.ts';
import { joinRegistry } from './registry.ts';

// The numbers are those of the acceptance cases for registries.

const file = (name: string) => path.join(inject('images'), name);
/** Two addresses of this machine, of which Headwater may fetch from the second only. */
const [forbidden, allowed] = ['198.18.7.1', '198.18.7.2'];

let scratch: string;
let headwater: Headwater;
let full: Headwater;

beforeAll(async () => {
  for (const address of [forbidden, allowed])
    await run('ip', ['address', 'replace', `${address}/32`, 'dev', 'lo']);
  scratch = await mkdtemp(path.join(tmpdir(), 'headwater-registry-'));
  headwater = await Headwater.create({ tls: trustedTls, registry: { pullFrom: [allowed] } });
  await headwater.start(trustedTls.certificate);
  full = await Headwater.create({ tls: trustedTls, registry: { streamQuota: '20KiB' } });
  await full.start(trustedTls.certificate);
});

afterAll(async () => {
  await emptyDaemons();
  await headwater.remove();
  await full.remove();
  await rm(scratch, { recursive: true, force: true });
  for (const address of [forbidden, allowed])
    await attempt('ip', ['address', 'del', `${address}/32`, 'dev', 'lo']);
});

async function someFiles(bytes = 65_536): Promise<[string, string]> {
  const directory = await mkdtemp(path.join(scratch, 'image-'));
  return await smallImage(directory, { properties: { os: 'Debian', release: 'bookworm' }, bytes });
}

/** An image on the daemon of a client. @returns its fingerprint */
async function localImage(client: Client, files: string[]): Promise<string> {
  const fingerprint = await digestOf(...files);
  await client.attempt('image', 'delete', fingerprint);
  await client.run('image', 'import', ...files);
  return fingerprint;
}

describe.each(clients)('with $name', (client) => {
  const reg = `copy-${client.name}`;
  const remote = (name: string) => `${reg}:${name}`;
  const imageOf = async (fingerprint: string) =>
    (await client.images(reg)).find((image) => image.fingerprint === fingerprint);

  beforeAll(async () => {
    await joinRegistry(client, headwater, reg);
    await joinRegistry(client, full, `full-${client.name}`);
    const port = await freePort();
    await client.run('config', 'set', 'core.https_address', `0.0.0.0:${port}`);
  });

  afterAll(async () => {
    await client.run('config', 'unset', 'core.https_address');
  });

  test.each([
    ['container', ['squashfs/metadata.tar.xz', 'squashfs/rootfs.squashfs']],
    ['virtual-machine', ['squashfs/metadata.tar.xz', 'squashfs/disk.qcow2']],
  ])(
    '17: copy --mode push of a %s keeps its type, its edited properties and gets the alias',
    async (type, names) => {
      const fingerprint = await localImage(client, names.map(file));
      await client.run('image', 'set-property', fingerprint, 'color', 'blue');
      const alias = `pushed/${client.name}/${type}`;
      await client.run('image', 'copy', fingerprint, remote(''), '--mode', 'push', '--alias', alias);
      expect(await imageOf(fingerprint)).toMatchObject({ type, properties: { color: 'blue' } });
      expect(await client.run('image', 'info', remote(alias))).toContain(fingerprint);
      // The next push of the alias moves it, without a moment in which it leads nowhere.
      const next = await localImage(client, await someFiles());
      await client.run('image', 'copy', next, remote(''), '--mode', 'push', '--alias', alias);
      expect(await client.run('image', 'info', remote(alias))).toContain(next);
      for (const each of [fingerprint, next]) await client.run('image', 'delete', each);
    },
  );

  test('18: copy --mode relay works', async () => {
    const fingerprint = await localImage(client, await someFiles());
    await client.run(
      'image',
      'copy',
      fingerprint,
      remote(''),
      '--mode',
      'relay',
      '--alias',
      `relayed-${client.name}`,
    );
    expect(await client.run('image', 'info', remote(`relayed-${client.name}`))).toContain(fingerprint);
  });

  test('18: a push over the quota says so; a relay that was refused leaves no image and no alias', async () => {
    const fingerprint = await localImage(client, await someFiles());
    const target = `full-${client.name}:`;
    const pushed = await client.attempt(
      'image',
      'copy',
      fingerprint,
      target,
      '--mode',
      'push',
      '--alias',
      'app',
    );
    expect(pushed.code).not.toBe(0);
    expect(pushed.stderr).toContain('the quota of the stream pushed is 20480 bytes, of which 0 are used');
    const imported = await client.attempt(
      'image',
      'import',
      ...(await someFiles()),
      target,
      '--alias',
      'app',
    );
    expect(imported.code).not.toBe(0);
    expect(imported.stderr).toContain('the quota of the stream pushed');
    await client.attempt('image', 'copy', fingerprint, target, '--mode', 'relay', '--alias', 'app');
    expect(await client.images(target.slice(0, -1))).toEqual([]);
    expect(await client.run('image', 'alias', 'list', target, '--format', 'csv')).toBe('');
  });

  test('19, 20: copy pulls a private image from the listening daemon, by the next address where one is refused', async () => {
    const fingerprint = await localImage(client, await someFiles());
    await client.run('image', 'copy', fingerprint, remote(''), '--alias', `pulled-${client.name}`);
    expect(await client.run('image', 'info', remote(`pulled-${client.name}`))).toContain(fingerprint);
  });

  test('19: publish CONTAINER REGISTRY: --alias', async () => {
    const name = `published-${client.name}`;
    const source = await localImage(client, [
      file('squashfs/metadata.tar.xz'),
      file('squashfs/rootfs.squashfs'),
    ]);
    await client.run('init', source, name);
    await client.run('publish', name, remote(''), '--alias', name);
    expect(await client.run('image', 'info', remote(name))).toContain('Type: container');
    await client.run('delete', name);
    await client.run('image', 'delete', source);
  });

  test('20: a pull that cannot connect says so', async () => {
    const said = await client.attempt(
      ...['query', '--wait', '-X', 'POST', remote('/1.0/images'), '-d'],
      JSON.stringify({
        source: { type: 'image', mode: 'pull', server: `https://${allowed}:1`, fingerprint: '0'.repeat(64) },
      }),
    );
    expect(said.stderr + said.stdout).toContain('Unable to connect to');
    expect(said.stderr + said.stdout).toContain('Cannot connect to');
  });

  test('26: image refresh of a cached image follows the alias that moved', async () => {
    const alias = `moving-${client.name}`;
    const first = [file('squashfs/metadata.tar.xz'), file('squashfs/rootfs.squashfs')];
    await client.run('image', 'import', ...first, remote(''), '--alias', alias, '--public');
    await client.run('image', 'copy', remote(alias), 'local:', '--auto-update', '--alias', 'copied');
    const second = [file('newer/metadata.tar.xz'), file('newer/rootfs.squashfs')];
    await client.run('image', 'import', ...second, remote(''), '--alias', alias, '--public');
    const said = await client.run('image', 'refresh', 'local:copied');
    expect(said).toContain('Image refreshed successfully!');
    const local = await client.images('local');
    expect(local.map((image) => image.fingerprint)).toContain(await digestOf(...second));
  });

  test('28: ^C during an import leaves no image', async () => {
    const files = await someFiles(400_000_000);
    const command = client.name === 'lxd' ? 'lxc' : 'incus';
    const stopped = await attempt(
      'timeout',
      ['-s', 'INT', '0.5', command, 'image', 'import', ...files, remote(''), '--alias', 'interrupted'],
      { env: clientEnvironment },
    );
    expect(stopped.code).not.toBe(0);
    expect(await imageOf(await digestOf(...files))).toBeUndefined();
    expect(await client.run('image', 'alias', 'list', remote(''))).not.toContain('interrupted');
  });

  // A daemon that pushes does not stop for ^C ("This operation can't be cancelled"): the operation is cancelled here.
  test('28: a push whose operation is cancelled fails and leaves no image', async () => {
    const fingerprint = await localImage(client, await someFiles(400_000_000));
    const pushing = client.attempt(
      'image',
      'copy',
      fingerprint,
      remote(''),
      '--mode',
      'push',
      '--alias',
      'cancelled',
    );
    const running = async () => {
      const answer = JSON.parse(await client.run('query', remote('/1.0/operations'))) as {
        running?: string[];
      };
      return answer.running?.[0];
    };
    await expect.poll(running, { timeout: 20_000, interval: 50 }).toBeDefined();
    await client.run('query', '-X', 'DELETE', remote((await running()) ?? ''));
    expect((await pushing).code).not.toBe(0);
    expect(await imageOf(fingerprint)).toBeUndefined();
    await client.run('image', 'delete', fingerprint);
  });

  test('29: copy from a simplestreams server that is not allowed is refused in words', async () => {
    const upstream = `upstream-${client.name}`;
    const serial = client.name === 'lxd' ? '20260101_0000' : '20260102_0000';
    await headwater.publish(...(await someFiles()), '--serial', serial);
    await client.addRemote(upstream, headwater.url);
    const said = await client.attempt(
      'image',
      'copy',
      `${upstream}:debian/bookworm`,
      remote(''),
      '--auto-update',
      '--alias',
      'm',
    );
    expect(said.code).not.toBe(0);
    expect(said.stderr).toContain(`this registry may not copy from ${headwater.url}`);
    expect(said.stderr).toContain('registry.mirrorFrom');
  });

  test.each([
    ['public', ['--public']],
    ['private', []],
  ])('23: launch of a %s image by a daemon that is not trusted', async (kind, flags) => {
    const alias = `${kind}-${client.name}`;
    const source = [file('newer/metadata.tar.xz'), file('newer/rootfs.squashfs')];
    await client.run('image', 'import', ...source, remote(''), ...flags, '--alias', alias);
    await client.run('image', 'show', remote(alias));
    const name = `launched-${alias}`;
    await client.run('launch', remote(alias), name);
    expect(await client.inside(name, 'cat', '/etc/debian_version')).toMatch(/^12/);
    await client.run('delete', '--force', name);
    await client.run('image', 'delete', remote(alias));
  });
});
