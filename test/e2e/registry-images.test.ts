import { mkdir, mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { attempt } from '../support/command.ts';
import { clientEnvironment, clients, emptyDaemons, trustedTls } from '../support/daemons.ts';
import { digestOf, smallImage } from '../support/images.ts';
import { Headwater } from './headwater.ts';
import { joinRegistry } from './registry.ts';

// The numbers are those of the acceptance cases for registries.

const file = (name: string) => path.join(inject('images'), name);

let scratch: string;
let headwater: Headwater;

beforeAll(async () => {
  scratch = await mkdtemp(path.join(tmpdir(), 'headwater-registry-'));
  headwater = await Headwater.create({ tls: trustedTls });
  await headwater.start(trustedTls.certificate);
});

afterAll(async () => {
  await emptyDaemons();
  await headwater.remove();
  await rm(scratch, { recursive: true, force: true });
});

/** A split image in a directory of its own, that no other test has. */
async function someImage(properties: Record<string, unknown> = {}): Promise<[string, string]> {
  const directory = await mkdtemp(path.join(scratch, 'image-'));
  return await smallImage(directory, { properties: { os: 'Debian', release: 'bookworm', ...properties } });
}

describe.each(clients)('with $name', (client) => {
  const reg = `reg-${client.name}`;
  const remote = (name: string) => `${reg}:${name}`;

  beforeAll(async () => {
    await joinRegistry(client, headwater, reg);
  });

  test('15: import of a split, a unified and a virtual machine image: fingerprints, list and info match', async () => {
    const images = [
      { files: [file('squashfs/metadata.tar.xz'), file('squashfs/rootfs.squashfs')], type: 'container' },
      { files: [file('unified/debian.tar.gz')], type: 'container' },
      { files: [file('squashfs/metadata.tar.xz'), file('squashfs/disk.qcow2')], type: 'virtual-machine' },
    ];
    for (const [index, { files, type }] of images.entries()) {
      const alias = `imported/${client.name}-${index}`;
      const said = await client.run(
        'image',
        'import',
        ...files,
        remote(''),
        '--alias',
        alias,
        '--public',
        'color=blue green',
      );
      const fingerprint = await digestOf(...files);
      expect(said).toContain(fingerprint);
      const image = (await client.images(reg)).find((each) => each.fingerprint === fingerprint);
      expect(image).toMatchObject({
        type,
        properties: { color: 'blue green' },
        aliases: expect.arrayContaining([expect.objectContaining({ name: alias })]) as unknown,
      });
      const info = await client.run('image', 'info', remote(alias));
      expect(info).toContain(fingerprint);
      expect(await client.run('image', 'show', remote(alias))).toContain('public: true');
    }
  });

  test('16: import of the same file with the same alias succeeds again', async () => {
    const files = await someImage();
    for (let round = 0; round < 2; round++) {
      await client.run('image', 'import', ...files, remote(''), '--alias', `again-${client.name}`);
    }
    const fingerprint = await digestOf(...files);
    expect(await client.run('image', 'info', remote(`again-${client.name}`))).toContain(fingerprint);
  });

  test('21: aliases with slashes and colons are made, listed, renamed and deleted', async () => {
    const files = await someImage();
    await client.run('image', 'import', ...files, remote(''));
    const fingerprint = await digestOf(...files);
    const name = `team-${client.name}/app:v1`;
    await client.run('image', 'alias', 'create', remote(name), fingerprint.slice(0, 12));
    expect((await client.attempt('image', 'alias', 'create', remote(name), fingerprint)).code).not.toBe(0);
    const names = async () => {
      const list = await client.run('image', 'alias', 'list', remote(''), '--format', 'json');
      return (JSON.parse(list) as { name: string }[]).map((alias) => alias.name);
    };
    expect(await names()).toContain(name);
    expect(await client.run('image', 'info', remote(name))).toContain(fingerprint);
    await client.run('image', 'alias', 'rename', remote(name), `${name}.1`);
    expect(await names()).toContain(`${name}.1`);
    expect(await names()).not.toContain(name);
    await client.run('image', 'alias', 'delete', remote(`${name}.1`));
    expect(await names()).not.toContain(`${name}.1`);
    expect((await client.attempt('image', 'info', remote(`${name}.1`))).code).not.toBe(0);
  });

  test('22: properties are set and unset, a whole image is edited', async () => {
    const files = await someImage();
    const alias = `edited-${client.name}`;
    await client.run('image', 'import', ...files, remote(''), '--alias', alias);
    await client.run('image', 'set-property', remote(alias), 'color', 'red');
    expect(await client.run('image', 'get-property', remote(alias), 'color')).toBe('red\n');
    await client.run('image', 'unset-property', remote(alias), 'color');
    expect((await client.run('image', 'get-property', remote(alias), 'color')).trim()).toBe('');
    const shown = await client.run('image', 'show', remote(alias));
    const edited = path.join(scratch, `edit-${client.name}.yaml`);
    await writeFile(
      edited,
      shown.replace('public: false', 'public: true').replace(/^properties:$/m, 'properties:\n  shape: round'),
    );
    await client.runWithInput(edited, 'image', 'edit', remote(alias));
    const after = await client.run('image', 'show', remote(alias));
    expect(after).toContain('public: true');
    expect(after).toContain('shape: round');
  });

  test('22: an edit is refused when somebody else edited in between, and the client says so', async () => {
    const alias = `contested-${client.name}`;
    await client.run('image', 'import', ...(await someImage()), remote(''), '--alias', alias);
    const command = client.name === 'lxd' ? 'lxc' : 'incus';
    const editor = path.join(scratch, `editor-${client.name}`);
    const other = `${command} image set-property ${remote(alias)} color theirs`;
    await writeFile(editor, `#!/bin/sh\n${other}\nsed -i 's/bookworm/mine/' "$1"\n`, { mode: 0o755 });
    // The client opens an editor on a terminal only.
    const edited = await attempt('script', ['-qec', `${command} image edit ${remote(alias)}`, '/dev/null'], {
      env: { ...clientEnvironment, EDITOR: editor, VISUAL: editor },
    });
    expect(edited.code).not.toBe(0);
    expect(edited.stdout).toMatch(/etag|precondition|changed/i);
    const info = await client.run('image', 'show', remote(alias));
    expect(info).toContain('color: theirs');
    expect(info).not.toContain('mine');
  });

  test('24: a truncated blob is noticed, by export and by copy', async () => {
    const [metadata, root] = await someImage();
    const alias = `truncated-${client.name}`;
    await client.run('image', 'import', metadata, root, remote(''), '--alias', alias);
    const digest = await digestOf(root);
    await truncate(path.join(headwater.dataDirectory, 'blobs/sha256', digest.slice(0, 2), digest), 1000);
    const target = path.join(scratch, alias);
    await mkdir(target);
    expect((await client.attempt('image', 'export', remote(alias), target.concat('/'))).code).not.toBe(0);
    expect((await client.attempt('image', 'copy', remote(alias), 'local:')).code).not.toBe(0);
    const held = await client.images('local');
    expect(held.map(({ fingerprint }) => fingerprint)).not.toContain(await digestOf(metadata, root));
  });

  test('24: export gives the files that were pushed, split and unified', async () => {
    for (const files of [await someImage(), [file('unified/debian.tar.gz')]]) {
      const alias = `export-${client.name}-${files.length}`;
      await client.run('image', 'import', ...files, remote(''), '--alias', alias);
      const target = path.join(scratch, alias);
      await mkdir(target);
      await client.run('image', 'export', remote(alias), target.concat('/'));
      const written = (await readdir(target)).sort(
        (one, other) => Number(other.startsWith('meta')) - Number(one.startsWith('meta')),
      );
      expect(written).toHaveLength(files.length);
      expect(await digestOf(...written.map((name) => path.join(target, name)))).toBe(
        await digestOf(...files),
      );
    }
  });

  test('25: delete removes an image and its aliases from the list and from the documents', async () => {
    const files = await someImage();
    const alias = `deleted-${client.name}`;
    await client.run('image', 'import', ...files, remote(''), '--alias', alias, '--public');
    const fingerprint = await digestOf(...files);
    expect(JSON.stringify(await headwater.document('pushed'))).toContain(fingerprint);
    await client.run('image', 'delete', remote(alias));
    expect(JSON.stringify(await headwater.document('pushed'))).not.toContain(fingerprint);
    expect(await client.run('image', 'alias', 'list', remote(''))).not.toContain(alias);
    expect((await client.images(reg)).map((image) => image.fingerprint)).not.toContain(fingerprint);
  });

  test('30: a stranger sees public images only, and filters work', async () => {
    const [hidden, shown] = [await someImage({ os: 'Secret' }), await someImage({ os: 'Shown' })];
    await client.run('image', 'import', ...hidden, remote(''));
    await client.run('image', 'import', ...shown, remote(''), '--public');
    const anonymous = await headwater.fetch('/1.0/images?recursion=1');
    const { metadata } = (await anonymous.json()) as { metadata: { fingerprint: string; public: boolean }[] };
    expect(metadata.every((image) => image.public)).toBe(true);
    expect(metadata.map((image) => image.fingerprint)).toContain(await digestOf(...shown));
    const list = await client.run(
      'image',
      'list',
      remote(''),
      'type=container',
      'os=Secret',
      '--format',
      'csv',
      '--columns',
      'F',
    );
    expect(list.trim()).toBe(await digestOf(...hidden));
    expect(
      await client.run('image', 'list', remote(''), 'type=virtual-machine', 'os=Secret', '--format', 'csv'),
    ).toBe('');
    await client.run('image', 'delete', remote(await digestOf(...hidden)));
  });
});
