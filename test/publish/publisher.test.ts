import { createHash } from 'node:crypto';
import { appendFile, copyFile, mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { BlobStore } from '../../src/blobs/blob-store.ts';
import { observeStore } from '../../src/blobs/observed-store.ts';
import { loadConfig } from '../../src/config/load.ts';
import { HeadwaterError } from '../../src/errors.ts';
import { xz } from '../../src/image/compression/xz/xz-pack.ts';
import { parseDigest } from '../../src/model/digest.ts';
import { publish } from '../../src/publish/publisher.ts';
import type { PublishRequest, SourceFile } from '../../src/publish/request.ts';
import { openWorkspace, type Workspace } from '../../src/server/workspace.ts';
import { asTestActor, scratchDirectory } from '../support/catalog.ts';
import { run } from '../support/command.ts';
import { demand } from '../support/needs.ts';
import { makeSmallImage, type SmallImage } from '../support/small-images.ts';

let image: SmallImage;
let scratch: string;

beforeAll(async () => {
  image = await makeSmallImage({ size: 600_000 });
  scratch = join(image.directory, 'made');
  await mkdir(scratch);
});

async function workspace(observe?: (store: BlobStore) => BlobStore): Promise<Workspace> {
  const config = loadConfig({ env: {}, overrides: { dataDir: await scratchDirectory() } });
  const opened = asTestActor(await openWorkspace(config, observe === undefined ? {} : { observe }));
  onTestFinished(() => opened.close());
  return opened;
}

const disk = (...paths: string[]): SourceFile[] => paths.map((path) => ({ from: 'disk', name: path, path }));
const split = () => disk(image.metadata, image.root);

/** Everything that a failed publish must not change. */
async function state({ catalog, store }: Workspace) {
  const products = [];
  for await (const product of catalog.products.each({ removed: true })) products.push(product);
  const blobs = [];
  for await (const { digest, size } of store.list()) blobs.push(`${digest} ${size}`);
  return { products, aliases: await catalog.aliases.list(), blobs: blobs.sort(), size: await catalog.size() };
}

/** Makes a tarball of some files, with tar. */
async function tarball(name: string, files: Record<string, string>): Promise<string> {
  const directory = join(scratch, `${name}.d`);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(directory, path, '..'), { recursive: true });
    await writeFile(join(directory, path), text);
  }
  const path = join(scratch, name);
  await run('tar', ['-C', directory, ...(name.endsWith('.gz') ? ['-z'] : []), '-cf', path, '.']);
  if (name.endsWith('.xz')) await writeFile(path, await xz(await readFile(path)));
  return path;
}

const metadataYaml = (more = '') =>
  `architecture: amd64\ncreation_date: 1767225600\nproperties:\n  os: debian\n  release: bookworm\n${more}`;

describe('what is published', () => {
  test('a split image: the fingerprint is that of the metadata followed by the root', async () => {
    const { destination, catalog } = await workspace();
    const published = await publish(destination, { files: split() });
    const bytes = Buffer.concat([await readFile(image.metadata), await readFile(image.root)]);
    expect(published).toMatchObject({
      outcome: 'created',
      product: 'debian:bookworm:amd64:default',
      serial: '20260101_0000',
      images: [{ type: 'container', file: 'rootfs.squashfs' }],
    });
    expect(published.images[0]?.fingerprint).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect((await catalog.size()).blobs).toBe(2);
    expect((await publish(destination, { files: split() })).outcome).toBe('unchanged');
  });

  test('the order of the files does not matter', async () => {
    const [one, other] = [await workspace(), await workspace()];
    const first = await publish(one.destination, { files: split() });
    const second = await publish(other.destination, { files: split().reverse() });
    expect(second).toEqual(first);
  });

  test('a container and a virtual machine can be one version', async () => {
    const { destination } = await workspace();
    const qcow2 = join(scratch, 'disk.img');
    demand('qemu-img');
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', qcow2, '8M']);
    const published = await publish(destination, { files: [...split(), ...disk(qcow2)] });
    expect(published.images.map(({ type }) => type).sort()).toEqual(['container', 'virtual-machine']);
  });

  test('a unified container is kept as it is', async () => {
    const { destination } = await workspace();
    const path = await tarball('unified.tar.gz', {
      'metadata.yaml': metadataYaml(),
      'rootfs/etc/hostname': 'x',
    });
    const published = await publish(destination, { files: disk(path) });
    expect(published.images).toMatchObject([{ file: 'lxd_combined.tar.gz', type: 'container' }]);
  });

  test('a unified virtual machine is split, so that every client knows it for one', async () => {
    const { destination, store } = await workspace();
    const qcow2 = join(scratch, 'rootfs.img');
    demand('qemu-img');
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', qcow2, '8M']);
    await writeFile(join(scratch, 'metadata.yaml'), metadataYaml());
    for (const names of ['rootfs.img metadata.yaml', 'metadata.yaml rootfs.img']) {
      const path = join(scratch, 'vm.tar.gz');
      await run('sh', ['-c', `tar -C ${scratch} -czf ${path} ${names}`]);
      const published = await publish(destination, { files: disk(path) });
      expect(published.images).toMatchObject([{ file: 'disk.qcow2', type: 'virtual-machine' }]);
    }
    const digest = createHash('sha256')
      .update(await readFile(qcow2))
      .digest('hex');
    expect(await store.stat(parseDigest(digest))).toBeDefined();
  });

  test('a bare root gets metadata of its own', async () => {
    const { destination } = await workspace();
    const path = await tarball('bare.tar.xz', {
      'etc/os-release': 'ID=debian\nVERSION_CODENAME=bookworm\nVERSION_ID="12"\n',
      'usr/bin/true': 'no program',
      'bin/sh': 'no program',
    });
    const request = { files: disk(path), serial: '20260101_0000', architecture: 'amd64' };
    const published = await publish(destination, request);
    expect(published).toMatchObject({
      product: 'debian:bookworm:amd64:default',
      images: [{ file: 'rootfs.tar.xz', type: 'container' }],
    });
    expect((await publish(destination, request)).outcome).toBe('unchanged');
  });

  test('files stay where they are, and their bytes are shared, when they are indexed in place', async () => {
    const { destination, store } = await workspace();
    const files = split().map((file) => ({ ...file, inPlace: true }) as SourceFile);
    await publish(destination, { files });
    const bytes = await readFile(image.root);
    expect((await store.stat(parseDigest(createHash('sha256').update(bytes).digest('hex'))))?.size).toBe(
      bytes.length,
    );
  });
});

describe('bad input gets its own error and changes nothing', () => {
  interface Case {
    kind: string;
    message: RegExp;
    make: () => Promise<PublishRequest>;
  }

  async function damaged(
    name: string,
    source: string,
    damage: (path: string) => Promise<void>,
  ): Promise<string> {
    const path = join(scratch, name);
    await copyFile(source, path);
    await damage(path);
    return path;
  }

  const withMetadata = async (yaml: string, name = 'metadata.tar.xz') => ({
    files: disk(await tarball(name, { 'metadata.yaml': yaml }), image.root),
  });

  const cases: Record<string, Case> = {
    'a truncated squashfs': {
      kind: 'invalid',
      message: /cut\.squashfs: .*truncated|cut short/,
      make: async () => ({
        files: disk(
          image.metadata,
          await damaged('cut.squashfs', image.root, (path) => truncate(path, 100_000)),
        ),
      }),
    },
    'a truncated metadata tarball': {
      kind: 'invalid',
      message: /cut\.tar\.xz: /,
      make: async () => ({
        files: disk(await damaged('cut.tar.xz', image.metadata, (path) => truncate(path, 200)), image.root),
      }),
    },
    'a corrupt metadata tarball': {
      kind: 'invalid',
      message: /corrupt\.tar\.xz: /,
      make: async () => ({
        files: disk(
          await damaged('corrupt.tar.xz', image.metadata, async (path) => {
            const bytes = await readFile(path);
            bytes.fill(0x5a, 100, 130);
            await writeFile(path, bytes);
          }),
          image.root,
        ),
      }),
    },
    'a file that is nothing known': {
      kind: 'invalid',
      message: /noise\.img: /,
      make: async () => {
        const path = join(scratch, 'noise.img');
        await writeFile(path, Buffer.alloc(400_000, 'noise'));
        return { files: disk(image.metadata, path) };
      },
    },
    'an empty file': {
      kind: 'invalid',
      message: /empty\.img: .*empty/,
      make: async () => {
        await writeFile(join(scratch, 'empty.img'), '');
        return { files: disk(image.metadata, join(scratch, 'empty.img')) };
      },
    },
    'a tarball without metadata.yaml that is no root either': {
      kind: 'invalid',
      message: /readme\.tar\.gz: .*metadata\.yaml/,
      make: async () => ({ files: disk(await tarball('readme.tar.gz', { README: 'hello' })) }),
    },
    'metadata.yaml that is no mapping': {
      kind: 'invalid',
      message: /metadata\.yaml.*mapping/,
      make: () => withMetadata('- a\n- b\n'),
    },
    'metadata.yaml that is a bomb of aliases': {
      kind: 'invalid',
      message: /metadata\.yaml/,
      make: () => {
        const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
        for (let level = 1; level < 12; level++) {
          lines.push(
            `a${level}: &a${level} [${Array(9)
              .fill(`*a${level - 1}`)
              .join(', ')}]`,
          );
        }
        return withMetadata(`${metadataYaml()}${lines.join('\n')}\n`);
      },
    },
    'metadata for an unknown architecture': {
      kind: 'invalid',
      message: /vax/,
      make: () => withMetadata(metadataYaml().replace('amd64', 'vax')),
    },
    'metadata without an os': {
      kind: 'invalid',
      message: /metadata\.yaml has no property "os": give it with os/,
      make: () => withMetadata(metadataYaml().replace('  os: debian\n', '')),
    },
    'a property that climbs': {
      kind: 'invalid',
      message: /\/metadata\.tar\.xz: metadata\.yaml: property "os"/,
      make: () => withMetadata(metadataYaml().replace('os: debian', 'os: ../../evil')),
    },
    'metadata alone': {
      kind: 'invalid',
      message: /holds metadata only/,
      make: () => Promise.resolve({ files: disk(image.metadata) }),
    },
    'a root of a kind twice': {
      kind: 'invalid',
      message: /are both a squashfs/,
      make: async () => ({
        files: [...split(), ...disk(await damaged('twin.squashfs', image.root, () => Promise.resolve()))],
      }),
    },
    'two metadata tarballs': {
      kind: 'invalid',
      message: /both are metadata tarballs/,
      make: async () => ({
        files: [...split(), ...disk(await tarball('second.tar.xz', { 'metadata.yaml': metadataYaml() }))],
      }),
    },
    'a digest that was announced otherwise': {
      kind: 'invalid',
      message: /SHA-256 is [0-9a-f]{64}, but 0{64} was announced/,
      make: () =>
        Promise.resolve({
          files: split().map(
            (file) => ({ ...file, expectedDigest: parseDigest('0'.repeat(64)) }) as SourceFile,
          ),
        }),
    },
    'a file that is not there': {
      kind: 'not-found',
      message: /nowhere\.squashfs: no such file/,
      make: () => Promise.resolve({ files: disk(image.metadata, join(scratch, 'nowhere.squashfs')) }),
    },
    'a named pipe': {
      kind: 'invalid',
      message: /is not a regular file/,
      make: async () => {
        const path = join(scratch, `pipe-${Math.random()}`);
        await run('mkfifo', [path]);
        return { files: disk(image.metadata, path) };
      },
    },
    'no file at all': { kind: 'invalid', message: /no file/, make: () => Promise.resolve({ files: [] }) },
    'a serial that does not parse': {
      kind: 'invalid',
      message: /^serial "next week"/,
      make: () => Promise.resolve({ files: split(), serial: 'next week' }),
    },
  };

  test.each(Object.entries(cases))('%s', async (_name, { kind, message, make }) => {
    const opened = await workspace();
    await publish(opened.destination, { files: split(), variant: 'default', serial: '20251231_0000' });
    const before = await state(opened);
    const request = await make();
    const error = await publish(opened.destination, request).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(HeadwaterError);
    expect((error as HeadwaterError).kind).toBe(kind);
    expect((error as HeadwaterError).message).toMatch(message);
    expect(await state(opened)).toEqual(before);
  });

  test('the same serial with other bytes', async () => {
    const opened = await workspace();
    await publish(opened.destination, { files: split() });
    const before = await state(opened);
    const changed = join(scratch, 'changed.squashfs');
    await copyFile(image.root, changed);
    await appendFile(changed, Buffer.alloc(4096));
    const failing = publish(opened.destination, { files: disk(image.metadata, changed) });
    await expect(failing).rejects.toThrow(/already has a version 20260101_0000 with other files/);
    expect(await state(opened)).toEqual(before);
  });

  test('an alias that another product owns', async () => {
    const opened = await workspace();
    await publish(opened.destination, { files: split(), aliases: ['stable'] });
    const before = await state(opened);
    const other = await tarball('other.tar.xz', {
      'metadata.yaml': metadataYaml().replace('debian', 'ubuntu'),
    });
    const failing = publish(opened.destination, { files: disk(other, image.root), aliases: ['stable'] });
    await expect(failing).rejects.toThrow(/alias stable already points to debian:bookworm:\*:default/);
    expect(await state(opened)).toEqual(before);
  });

  test('a store that fails half way', async () => {
    let failing = false;
    const opened = await workspace((store) => ({
      ...observeStore(store, () => undefined),
      write: async (source: AsyncIterable<Uint8Array>, expected: Parameters<BlobStore['write']>[1]) => {
        const cut = async function* () {
          let passed = 0;
          for await (const chunk of source) {
            passed += chunk.length;
            if (failing && passed > 300_000) throw new HeadwaterError('unavailable', 'the store went away');
            yield chunk;
          }
        };
        return await store.write(cut(), expected);
      },
    }));
    const before = await state(opened);
    failing = true;
    await expect(publish(opened.destination, { files: split() })).rejects.toThrow('the store went away');
    expect(await state(opened)).toEqual(before);
    failing = false;
    expect((await publish(opened.destination, { files: split() })).outcome).toBe('created');
  });

  test('a full disk', async () => {
    const directory = await scratchDirectory();
    const large = await makeSmallImage({ size: 3_000_000 });
    await run('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', directory]);
    onTestFinished(async () => void (await run('umount', ['-l', directory])));
    const config = loadConfig({ env: {}, overrides: { dataDir: directory } });
    const opened = asTestActor(await openWorkspace(config));
    try {
      const before = await state(opened);
      const failing = publish(opened.destination, { files: disk(large.metadata, large.root) });
      await expect(failing).rejects.toMatchObject({ kind: 'no-space' });
      expect(await state(opened)).toEqual(before);
    } finally {
      await opened.close();
    }
  });
});

describe('a serial that nobody gave', () => {
  /** Metadata that gives a time but no serial. */
  async function dated(creationDate: number, name: string) {
    const text = metadataYaml().replace(/creation_date: \d+/, `creation_date: ${creationDate}`);
    return await tarball(name, { 'metadata.yaml': text, 'templates/x.tpl': '' });
  }

  async function otherRoots(count: number): Promise<string[]> {
    const roots = [];
    for (let number = 0; number < count; number++) {
      const path = join(scratch, `root-${number}.squashfs`);
      await copyFile(image.root, path);
      await appendFile(path, Buffer.alloc(4096 * (number + 1)));
      roots.push(path);
    }
    return roots;
  }

  test.each([1, 1767225600])(
    'is the next free minute where builds have the time %d in common, and that of the same files where they come again',
    async (creationDate) => {
      const { destination } = await workspace();
      const metadata = await dated(creationDate, `dated-${creationDate}.tar.xz`);
      const serials = [];
      const roots = await otherRoots(3);
      for (const root of roots) {
        const published = await publish(destination, { files: disk(metadata, root) });
        expect(published.outcome).toBe('created');
        serials.push(published.serial);
      }
      expect(new Set(serials).size).toBe(3);
      expect([...serials].sort()).toEqual(serials);
      expect(serials[0]?.startsWith('1970')).toBe(false);
      if (creationDate > 1) expect(serials).toEqual(['20260101_0000', '20260101_0001', '20260101_0002']);
      for (const [index, root] of roots.entries()) {
        const again = await publish(destination, { files: disk(metadata, root) });
        expect(again).toMatchObject({ outcome: 'unchanged', serial: serials[index] });
      }
    },
  );

  test('is another one for each of several that are published at the same moment', async () => {
    const { destination } = await workspace();
    const metadata = await dated(1, 'at-once.tar.xz');
    const all = await Promise.all(
      (await otherRoots(4)).map((root) => publish(destination, { files: disk(metadata, root) })),
    );
    expect(new Set(all.map(({ serial }) => serial)).size).toBe(4);
  });
});
