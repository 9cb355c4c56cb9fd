import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scratchDirectory } from '../../../support/catalog.ts';
import { TestServer } from '../../../support/server.ts';
import { makeSmallImage } from '../../../support/small-images.ts';
import { headwater } from '../../command-line.ts';

const claimed = 'ab'.repeat(32);
const sha256 = (...parts: Buffer[]) => createHash('sha256').update(Buffer.concat(parts)).digest('hex');

/** A tree of two versions, the first of which has a false fingerprint in the document. */
async function makeTree(): Promise<{ tree: string; computed: string }> {
  const tree = await scratchDirectory();
  const versions: Record<string, unknown> = {};
  let computed = '';
  for (const [serial, fingerprint] of [
    ['20260101_0000', claimed],
    ['20260102_0000', undefined],
  ] as const) {
    const image = await makeSmallImage({ serial, size: 300_000 });
    const directory = `images/debian/bookworm/amd64/default/${serial}`;
    await mkdir(join(tree, directory), { recursive: true });
    await copyFile(image.metadata, join(tree, directory, 'lxd.tar.xz'));
    await copyFile(image.root, join(tree, directory, 'rootfs.squashfs'));
    const [metadata, root] = await Promise.all([readFile(image.metadata), readFile(image.root)]);
    if (fingerprint !== undefined) computed = sha256(metadata, root);
    const item = (ftype: string, file: string, bytes: Buffer) => ({
      ...{ ftype, path: `${directory}/${file}`, sha256: sha256(bytes), size: bytes.length },
    });
    versions[serial] = {
      items: {
        meta: {
          ...item('lxd.tar.xz', 'lxd.tar.xz', metadata),
          combined_squashfs_sha256: fingerprint ?? sha256(metadata, root),
        },
        root: item('squashfs', 'rootfs.squashfs', root),
      },
    };
  }
  const product = { os: 'debian', release: 'bookworm', arch: 'amd64', variant: 'default', versions };
  const path = 'streams/v1/images.json';
  const entry = { datatype: 'image-downloads', path, products: ['debian:bookworm:amd64:default'] };
  await mkdir(join(tree, 'streams/v1'), { recursive: true });
  const index = { format: 'index:1.0', index: { images: entry } };
  await writeFile(join(tree, 'streams/v1/index.json'), JSON.stringify(index));
  const products = { format: 'products:1.0', products: { 'debian:bookworm:amd64:default': product } };
  await writeFile(join(tree, path), JSON.stringify(products));
  return { tree, computed };
}

test('index refuses a version whose document has a false fingerprint, and publishes the others', async () => {
  const { tree, computed } = await makeTree();
  const { code, stdout, stderr } = await headwater(['index', tree, '--data-dir', await scratchDirectory()]);
  expect(code).toBe(3);
  expect(stdout).toBe('debian:bookworm:amd64:default@20260102_0000 published\n');
  expect(stderr).toContain(computed);
  expect(stderr).toContain(claimed);
});

test('a server does, too', async () => {
  const { tree, computed } = await makeTree();
  const server = await TestServer.start({ tls: 'off' });
  const target = ['--server', server.url('', 'http'), '--token', await server.token(['publish', 'read'])];
  const { code, stdout, stderr } = await headwater(['index', tree, ...target]);
  expect(code).toBe(3);
  expect(stdout).toBe('debian:bookworm:amd64:default@20260102_0000 published\n');
  expect(stderr).toContain(computed);
  expect(stderr).toContain(claimed);
});
