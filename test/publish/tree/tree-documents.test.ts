import { mkdir, rm, symlink, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findVersions } from '../../../src/publish/tree/tree.ts';
import { readTreeDocuments } from '../../../src/publish/tree/tree-documents.ts';
import type { FoundRequest } from '../../../src/publish/tree/tree-versions.ts';
import { collect, digestsOf, makeDirectory, nameOf, namesOf, sha256, writeFiles } from './trees.ts';

type Json = Record<string, unknown>;

/** An item of a document for a file with the content that `writeItems` gives it. */
function item(ftype: string, path: string, more: Json = {}): Json {
  return { ftype, path, sha256: sha256(path), size: path.length, ...more };
}

async function writeItems(root: string, ...paths: string[]): Promise<void> {
  await writeFiles(root, Object.fromEntries(paths.map((path) => [path, path])));
}

async function writeDocuments(root: string, products: unknown, index?: unknown): Promise<void> {
  const entry = { datatype: 'image-downloads', path: 'streams/v1/images.json', products: ['x'] };
  await writeFiles(root, {
    'streams/v1/index.json': JSON.stringify(index ?? { format: 'index:1.0', index: { images: entry } }),
    'streams/v1/images.json': JSON.stringify({ format: 'products:1.0', products }),
  });
}

function product(versions: Json, more: Json = {}): Json {
  return { os: 'Debian', release: 'bookworm', arch: 'amd64', variant: 'default', versions, ...more };
}

function version(...items: Json[]): Json {
  return { items: Object.fromEntries(items.map((entry, index) => [String(index), entry])) };
}

const flat = version(item('incus.tar.xz', 'images/a.incus.tar.xz'), item('squashfs', 'images/a.squashfs'));

async function flatTree(more: Json = {}): Promise<string> {
  const root = await makeDirectory();
  await writeItems(root, 'images/a.incus.tar.xz', 'images/a.squashfs');
  await writeDocuments(root, { 'debian:bookworm:default:amd64': product({ '202601010524': flat }, more) });
  return root;
}

const directory = 'images/ubuntu/noble/amd64/cloud/20260101_0524';

/** A tree that simplestream-maintainer made, with documents that name its version. */
async function maintainedTree(more: Json = {}, versionMore: Json = {}): Promise<string> {
  const root = await makeDirectory();
  const [meta, rootfs] = [`${directory}/lxd.tar.xz`, `${directory}/rootfs.squashfs`];
  await writeItems(root, meta, rootfs);
  const entry = { ...version(item('lxd.tar.xz', meta), item('squashfs', rootfs)), ...versionMore };
  const fields = { distro: 'ubuntu', os: 'Ubuntu', release: 'noble', variant: 'cloud', ...more };
  await writeDocuments(root, { 'ubuntu:noble:amd64:cloud': product({ '20260101_0524': entry }, fields) });
  return root;
}

/** The fingerprints that the files of versions must have, by name. */
function fingerprintsOf(found: readonly FoundRequest[]): Record<string, string | undefined> {
  const files = found.flatMap(({ request }) => request.files);
  return Object.fromEntries(files.map(({ name, expectedFingerprint }) => [name, expectedFingerprint]));
}

describe('fingerprints of the documents', () => {
  const combined = { combined_squashfs_sha256: 'ab'.repeat(32), combined_sha256: 'cd'.repeat(32) };

  test('are demanded of the roots that they are of', async () => {
    const root = await makeDirectory();
    const [meta, squashfs, tarball] = ['a.incus.tar.xz', 'a.squashfs', 'a.root.tar.xz'] as const;
    await writeItems(root, meta, squashfs, tarball);
    const items = [
      item('incus.tar.xz', meta, combined),
      item('squashfs', squashfs),
      item('root.tar.xz', tarball),
    ];
    await writeDocuments(root, { x: product({ '202601010524': version(...items) }) });
    const { found } = await collect(findVersions(root));
    expect(fingerprintsOf(found)).toEqual({
      [meta]: undefined,
      [squashfs]: combined.combined_squashfs_sha256,
      [tarball]: combined.combined_sha256,
    });
  });

  test('are demanded of versions in directories of their own', async () => {
    const [meta, rootfs] = [`${directory}/lxd.tar.xz`, `${directory}/rootfs.squashfs`];
    const root = await maintainedTree(
      {},
      version(item('lxd.tar.xz', meta, combined), item('squashfs', rootfs)),
    );
    const { found } = await collect(findVersions(root));
    expect(fingerprintsOf(found)).toEqual({
      'lxd.tar.xz': undefined,
      'rootfs.squashfs': combined.combined_squashfs_sha256,
    });
  });
});

describe('versions that only documents name', () => {
  test('are found under paths with blanks', async () => {
    const root = await makeDirectory();
    await writeItems(root, 'my images/a b.incus.tar.xz', 'my images/a.squashfs');
    const items = [
      item('incus.tar.xz', 'my images/a b.incus.tar.xz'),
      item('squashfs', 'my images/a.squashfs'),
    ];
    await writeDocuments(root, { x: product({ '20260101.2': version(...items) }) });
    const { found } = await collect(findVersions(root));
    expect(found[0]).toMatchObject({
      request: {
        serial: '20260101_0002',
        files: [{ name: 'my images/a b.incus.tar.xz' }, { name: 'my images/a.squashfs' }],
      },
    });
  });

  test('are found with all that the documents say', async () => {
    const root = await flatTree({
      aliases: 'debian/bookworm/default, debian/bookworm,Debian/12,debian/stable,',
      release_title: '12',
      support_eol: '2028-06-30',
      requirements: { secureboot: 'false' },
      lxd_requirements: { cgroup: 'v1' },
    });
    const path = `${root}/streams/v1/images.json: debian:bookworm:default:amd64 202601010524`;
    const file = (name: string) => ({
      from: 'disk',
      name,
      path: join(root, name),
      inPlace: true,
      expectedDigest: sha256(name),
    });
    expect(await collect(findVersions(root))).toEqual({
      failed: {},
      found: [
        {
          path,
          request: {
            os: 'debian',
            release: 'bookworm',
            architecture: 'amd64',
            variant: 'default',
            serial: '20260101_0524',
            files: [file('images/a.incus.tar.xz'), file('images/a.squashfs')],
            osTitle: 'Debian',
            title: '12',
            eol: '2028-06-30',
            aliases: ['Debian/12', 'debian/stable'],
            requirements: { secureboot: 'false', cgroup: 'v1' },
          },
          warnings: [],
        },
      ],
    });
  });

  test('hold what clients prefer', async () => {
    const root = await makeDirectory();
    const paths = ['l', 'i', 'd1', 'd2', 'c', 'v', 'm'].map((name) => `files/${name}`);
    await writeItems(root, ...paths);
    const [l = '', i = '', d1 = '', d2 = '', c = '', v = '', m = ''] = paths;
    const both = version(
      item('manifest', m),
      item('disk1.img', d1),
      item('disk-kvm.img', d2),
      item('disk-kvm.img.vcdiff', v),
      item('incus_combined.tar.gz', c),
      item('incus.tar.xz', i, { sha256: sha256(l) }),
      item('lxd.tar.xz', l),
    );
    const unified = version(item('incus_combined.tar.gz', c));
    await writeDocuments(root, { x: product({ '202601010000': both, '202601020000': unified }) });
    const { found } = await collect(findVersions(root));
    expect(found.map(({ request }) => namesOf(request.files))).toEqual([[l, d2], [c]]);
    expect(found[0]?.warnings).toEqual([
      'files/c was left out: the version has other files',
      'files/d1 was left out: files/d2 was taken',
      'deltas (*.vcdiff) were left out',
    ]);
  });

  test.each([
    [
      'a name for people, and a distribution',
      { os: 'Debian GNU', distro: 'debian' },
      'a:b:c',
      'debian:bookworm:amd64:default',
    ],
    [
      'a name for people only',
      { os: 'Debian GNU' },
      'debian:bookworm:amd64:default',
      'debian:bookworm:amd64:default',
    ],
    ['no variant', { variant: undefined }, 'debian:bookworm:amd64:cloud', 'debian:bookworm:amd64:cloud'],
    ['no variant anywhere', { variant: undefined }, 'com.example', 'debian:bookworm:amd64:default'],
    ["the kernel's name of an architecture", { arch: 'aarch64' }, 'x', 'debian:bookworm:arm64:default'],
  ])('are of the right product: %s', async (_, more, name, expected) => {
    const root = await makeDirectory();
    await writeDocuments(root, { [name]: product({ '202601010524': flat }, more) });
    await writeItems(root, 'images/a.incus.tar.xz', 'images/a.squashfs');
    expect((await collect(findVersions(root))).found.map(nameOf)).toEqual([`${expected}@20260101_0524`]);
  });

  test('are not looked at when they are known', async () => {
    const root = await flatTree();
    await rm(join(root, 'images'), { recursive: true });
    const known = (key: { os: string }, serial: string) => key.os === 'debian' && serial === '20260101_0524';
    expect(await collect(findVersions(root, { known }))).toEqual({ found: [], failed: {} });
  });

  test('are incomplete while a file is missing or has another size', async () => {
    const root = await flatTree();
    await rm(join(root, 'images/a.squashfs'));
    expect(Object.values((await collect(findVersions(root))).failed)).toEqual([
      expect.stringContaining(`202601010524: incomplete: ${root}/images/a.squashfs is not there`),
    ]);
    await writeFiles(root, { 'images/a.squashfs': 'half' });
    expect(Object.values((await collect(findVersions(root))).failed)).toEqual([
      expect.stringContaining('a.squashfs has 4 bytes, not 17'),
    ]);
    await rm(join(root, 'images/a.squashfs'));
    await mkdir(join(root, 'images/a.squashfs'));
    expect(Object.values((await collect(findVersions(root))).failed)).toEqual([
      expect.stringContaining('a.squashfs is not a regular file'),
    ]);
  });
});

describe('versions in directories of their own', () => {
  test('are found once, with their files from the directory and their details from the documents', async () => {
    const root = await maintainedTree(
      { aliases: 'ubuntu/lts/cloud', release_title: 'Noble', requirements: { a: 'b' } },
      { label: 'daily' },
    );
    await writeFiles(root, {
      [`${directory}/image.yaml`]:
        'simplestream: {release_aliases: {noble: old}, requirements: [{requirements: {c: d}}]}',
      [`${directory}/disk.qcow2`]: 'not in the documents yet',
      [`${directory}/SHA256SUMS`]: `${sha256('newer')}  rootfs.squashfs\n`,
    });
    const { found, failed } = await collect(findVersions(root));
    expect(failed).toEqual({});
    expect(found.map(nameOf)).toEqual(['ubuntu:noble:amd64:cloud@20260101_0524']);
    expect(found[0]?.path).toBe(join(root, directory));
    expect(found[0]?.request).toMatchObject({
      aliases: ['ubuntu/lts/cloud'],
      title: 'Noble',
      osTitle: 'Ubuntu',
      label: 'daily',
      requirements: { a: 'b' },
    });
    expect(digestsOf(found[0]?.request.files ?? [])).toEqual({
      'lxd.tar.xz': sha256(`${directory}/lxd.tar.xz`),
      'rootfs.squashfs': sha256('newer'),
      'disk.qcow2': undefined,
    });
  });

  test('get what the documents do not say from image.yaml', async () => {
    const root = await maintainedTree();
    await writeFiles(root, {
      [`${directory}/image.yaml`]: 'simplestream: {distro_name: Ubu, release_aliases: {noble: lts}}',
    });
    const { found } = await collect(findVersions(root));
    expect(found[0]?.request).toMatchObject({ osTitle: 'Ubuntu', aliases: ['ubuntu/lts/cloud'] });
  });

  test('that the documents do not know yet go by what they know of the product', async () => {
    const root = await maintainedTree({ aliases: 'ubuntu/lts/cloud', release_title: 'Noble' });
    const next = 'images/ubuntu/noble/amd64/cloud/20260102_0000';
    await writeItems(root, `${next}/lxd.tar.xz`, `${next}/rootfs.squashfs`);
    await writeFiles(root, {
      [`${next}/image.yaml`]: 'simplestream: {release_aliases: {noble: newest}}',
    });
    const { found } = await collect(findVersions(root));
    expect(found[1]?.request).toMatchObject({
      serial: '20260102_0000',
      osTitle: 'Ubuntu',
      title: 'Noble',
      aliases: ['ubuntu/newest/cloud'],
    });
  });

  test('that the documents name although they are gone are failures', async () => {
    const root = await maintainedTree();
    await rm(join(root, directory), { recursive: true });
    const { found, failed } = await collect(findVersions(root));
    expect(found).toEqual([]);
    expect(Object.values(failed)).toEqual([expect.stringContaining('lxd.tar.xz is not there')]);
  });

  test('may have any name when the documents name their files', async () => {
    const root = await makeDirectory();
    const paths = ['builds/noble/lxd.tar.xz', 'builds/noble/rootfs.squashfs'] as const;
    await writeItems(root, ...paths);
    const entry = version(item('lxd.tar.xz', paths[0]), item('squashfs', paths[1]));
    await writeDocuments(root, { x: product({ '20260101_0524': entry }) });
    const { found, failed } = await collect(findVersions(root));
    expect(failed).toEqual({});
    expect(found.map(nameOf)).toEqual(['debian:bookworm:amd64:default@20260101_0524']);
  });
});

describe('documents that cannot be right', () => {
  const bad = (change: Json) => product({ '202601010524': flat }, change);
  const badItem = (change: Json) => ({
    '202601010524': version(item('lxd.tar.xz', 'images/a.incus.tar.xz', change)),
  });

  test.each([
    ['a list of aliases', bad({ aliases: ['a'] }), /bad\.aliases: expected text, not a list/],
    ['a number as release', bad({ release: 12 }), /bad\.release: expected text, not 12/],
    ['no release', bad({ release: undefined }), /bad: release ""/],
    ['no such architecture', bad({ arch: 'vax' }), /bad: architecture "vax" is not known/],
    ['a name that leads out', bad({ variant: '../x' }), /bad: variant "\.\.\/x"/],
    [
      'requirements in a list',
      bad({ requirements: [1] }),
      /bad\.requirements: expected a mapping, not a list/,
    ],
    ['requirements in requirements', bad({ requirements: { a: {} } }), /bad\.requirements\.a: expected text/],
    ['versions in a list', bad({ versions: [] }), /bad\.versions: expected a mapping/],
    ['text as product', 'text', /bad: expected a mapping, not "text"/],
    ['no serial', product({ v1: flat }), /bad v1: serial "v1"/],
    [
      'items in a list',
      product({ '202601010524': { items: [] } }),
      /bad 202601010524\.items: expected a mapping/,
    ],
    ['no items', product({ '202601010524': {} }), /bad 202601010524: no image files/],
    [
      'a path out of the tree',
      product(badItem({ path: '../a' })),
      /items\.0\.path: "\.\.\/a": expected a path inside/,
    ],
    ['a hidden way out', product(badItem({ path: 'a/../../b' })), /items\.0\.path: .*expected a path inside/],
    ['a path with a zero byte', product(badItem({ path: 'a\0b' })), /items\.0\.path: "a\\u0000b"/],
    ['no path', product(badItem({ path: undefined })), /items\.0\.path: ""/],
    ['no digest', product(badItem({ sha256: undefined })), /items\.0\.sha256: digest ""/],
    ['text as size', product(badItem({ size: '12' })), /items\.0\.size: expected a number of bytes/],
    ['less than no bytes', product(badItem({ size: -1 })), /items\.0\.size: expected a number of bytes/],
    ['metadata alone', product(badItem({})), /incomplete: images\/a\.incus\.tar\.xz has no root beside it/],
  ])('%s: a failure of that product or version alone', async (_, entry, message) => {
    const root = await makeDirectory();
    await writeItems(root, 'images/a.incus.tar.xz', 'images/a.squashfs', 'images/b');
    const good = product({ '202601010524': flat }, { variant: 'good' });
    await writeDocuments(root, { bad: entry, good });
    const { found, failed } = await collect(findVersions(root));
    expect(found.map(nameOf)).toEqual(['debian:bookworm:amd64:good@20260101_0524']);
    expect(Object.values(failed)).toEqual([expect.stringMatching(message)]);
  });

  test('one bad version leaves the others of its product', async () => {
    const root = await flatTree();
    await writeDocuments(root, { x: product({ '202601010524': flat, latest: flat, '202601020000': [] }) });
    const { found, failed } = await collect(findVersions(root));
    expect(found).toHaveLength(1);
    expect(Object.keys(failed)).toHaveLength(2);
  });

  test.each([
    ['no JSON', '{"index": {', /index\.json: not JSON: /],
    ['a list', '[]', /index\.json: expected a mapping, not a list/],
    ['an index that is none', '{"index": 7}', /index\.json: index: expected a mapping, not 7/],
    [
      'a path out of the tree',
      '{"index": {"a": {"datatype": "image-downloads", "path": "/../x"}}}',
      /index\.a\.path/,
    ],
    [
      'a document that is not there',
      '{"index": {"a": {"datatype": "image-downloads", "path": "x"}}}',
      /x: no such file/,
    ],
    ['too deep', '['.repeat(200_000), /index\.json: not JSON: /],
  ])('%s as index: the directories are found all the same', async (_, index, message) => {
    const root = await maintainedTree();
    await writeFiles(root, { 'streams/v1/index.json': index });
    const { found, failed } = await collect(findVersions(root));
    expect(found.map(nameOf)).toEqual(['ubuntu:noble:amd64:cloud@20260101_0524']);
    expect(Object.values(failed)).toEqual([expect.stringMatching(message)]);
  });

  test('a document larger than any tool writes is not read', async () => {
    const root = await flatTree();
    await truncate(join(root, 'streams/v1/images.json'), 300 * 1024 * 1024);
    const { found, failed } = await collect(findVersions(root));
    expect(found).toEqual([]);
    expect(Object.values(failed)).toEqual([expect.stringContaining('images.json: 314572800 bytes, at most')]);
  });

  test('other kinds of documents are passed over', async () => {
    const root = await flatTree();
    const index = { index: { other: { datatype: 'image-ids', path: '../../out' }, empty: null } };
    await writeDocuments(root, {}, index);
    expect(await collect(findVersions(root))).toEqual({ found: [], failed: {} });
  });

  test('odd aliases and dates are left out, with a word about it', async () => {
    const root = await flatTree({ aliases: 'fine,not fine,../x', support_eol: 'never' });
    const { found } = await collect(findVersions(root));
    expect(found[0]?.request).toMatchObject({ aliases: ['fine'] });
    expect(found[0]?.request).not.toHaveProperty('eol');
    expect(found[0]?.warnings).toEqual([
      expect.stringContaining('.support_eol: "never" is not a date and was left out'),
      expect.stringContaining('.aliases: alias "not fine"'),
      expect.stringContaining('.aliases: alias "../x"'),
    ]);
  });

  test('symbolic links out of the tree are not followed', async () => {
    const outside = await makeDirectory();
    await writeItems(outside, 'images/a.squashfs');
    const root = await flatTree();
    await rm(join(root, 'images/a.squashfs'));
    await symlink(join(outside, 'images/a.squashfs'), join(root, 'images/a.squashfs'));
    expect(Object.values((await collect(findVersions(root))).failed)).toEqual([
      expect.stringContaining('a.squashfs: a symbolic link that points outside'),
    ]);
    await rm(join(root, 'streams/v1/images.json'));
    await symlink('/etc/hostname', join(root, 'streams/v1/images.json'));
    expect(Object.values((await collect(findVersions(root))).failed)).toEqual([
      expect.stringContaining('images.json: a symbolic link that points outside'),
    ]);
  });

  test('names with control characters are quoted in messages', async () => {
    const root = await flatTree();
    await writeDocuments(root, { '\u001b[2Jgone': 7 });
    const { failed } = await collect(findVersions(root));
    expect(Object.values(failed)).toEqual([expect.stringContaining(String.raw`"\u001b[2Jgone"`)]);
  });

  test('any document is read, or its faults are told', async () => {
    const root = await makeDirectory();
    const key = fc.constantFrom(
      'versions',
      'items',
      'os',
      'aliases',
      'path',
      'ftype',
      '__proto__',
      '202601010524',
    );
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom('x', '', 'squashfs', '../x', sha256('x'), null, 1, true),
        fc.dictionary(key, tie('value'), { maxKeys: 4 }),
        fc.array(tie('value'), { maxLength: 2 }),
      ),
    }));
    await fc.assert(
      fc.asyncProperty(value, async (products) => {
        await writeDocuments(root, products);
        const { paths } = await readTreeDocuments(root);
        expect(paths).toHaveLength(2);
        for await (const entry of findVersions(root)) {
          if ('error' in entry) expect(entry.error).toMatchObject({ name: 'HeadwaterError' });
        }
      }),
      { numRuns: 60 },
    );
  });
});
