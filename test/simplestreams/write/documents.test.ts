import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import { Documents } from '../../../src/simplestreams/write/documents.ts';
import { draft, openCatalog, scratchCatalog, scratchDirectory, stored } from '../../support/catalog.ts';

async function documentsOf(catalog: Catalog): Promise<Documents> {
  const documents = new Documents(catalog, {
    onError: (error) => {
      throw error;
    },
  });
  onTestFinished(() => documents.stop());
  await documents.start();
  return documents;
}

function read(documents: Documents, stream = 'images') {
  const document = documents.stream(stream);
  if (document === undefined) throw new Error(`there is no stream ${stream}`);
  const text = Buffer.concat(document.plain).toString();
  expect(gunzipSync(document.gzip).toString()).toBe(text);
  return JSON.parse(text) as { products: Record<string, { versions: Record<string, unknown> }> };
}

test('a product is rendered in the types and under the names that both families of clients read', async () => {
  const catalog = await scratchCatalog();
  const details = {
    osTitle: 'Debian',
    releaseTitle: '12',
    supportEol: '2028-06-30',
    requirements: { secureboot: 'false' },
  };
  const version = draft({ details, aliases: ['stable'], implied: ['debian/bookworm'] });
  await catalog.versions.publish(version, stored);
  const documents = await documentsOf(catalog);
  const [metadata, root] = version.items;
  const directory = 'images/debian/bookworm/amd64/default/20260101_0000';
  const face = (ftype: string) => ({
    ftype,
    path: `${directory}/${ftype}`,
    sha256: metadata?.digest,
    size: 700,
    combined_squashfs_sha256: root?.fingerprint,
  });
  expect(read(documents)).toEqual({
    content_id: 'images',
    datatype: 'image-downloads',
    format: 'products:1.0',
    updated: expect.stringMatching(/^\w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} \+0000$/) as string,
    products: {
      'debian:bookworm:amd64:default': {
        aliases: 'debian/bookworm,stable',
        arch: 'amd64',
        os: 'Debian',
        release: 'bookworm',
        release_title: '12',
        support_eol: '2028-06-30',
        variant: 'default',
        requirements: { secureboot: 'false' },
        lxd_requirements: { secureboot: 'false' },
        versions: {
          '20260101_0000': {
            label: 'release',
            items: {
              'lxd.tar.xz': face('lxd.tar.xz'),
              'incus.tar.xz': face('incus.tar.xz'),
              squashfs: {
                ftype: 'squashfs',
                path: `${directory}/rootfs.squashfs`,
                sha256: root?.digest,
                size: 4096,
              },
            },
          },
        },
      },
    },
  });
  const index = await documents.index(() => true);
  expect(JSON.parse(Buffer.concat(index.plain).toString())).toEqual({
    format: 'index:1.0',
    updated: expect.stringMatching(/ \+0000$/) as string,
    index: {
      images: {
        datatype: 'image-downloads',
        format: 'products:1.0',
        path: 'streams/v1/images.json',
        products: ['debian:bookworm:amd64:default'],
      },
    },
  });
});

test('the index names only the streams that the client may see', async () => {
  const catalog = await scratchCatalog();
  await catalog.versions.publish(draft(), stored);
  await catalog.versions.publish(draft({ os: 'ubuntu', stream: 'secret' }), stored);
  const documents = await documentsOf(catalog);
  const index = await documents.index((stream) => stream !== 'secret');
  expect(Buffer.concat(index.plain).toString()).not.toContain('secret');
  expect(Buffer.concat((await documents.index(() => true)).plain).toString()).toContain('secret');
});

test('a change of another process shows, without anyone telling', async () => {
  const file = join(await scratchDirectory(), 'catalog.db');
  const documents = await documentsOf(await openCatalog(file));
  const other = await openCatalog(file);
  await other.versions.publish(draft(), stored);
  await expect.poll(() => documents.streams, { timeout: 5000 }).toEqual(['images']);
  await other.versions.remove({ stream: 'images', name: 'debian:bookworm:amd64:default' }, '20260101_0000');
  await expect.poll(() => read(documents).products, { timeout: 5000 }).toEqual({});
});

test('after any changes the documents are those that a fresh start renders', async () => {
  const catalog = await scratchCatalog();
  await catalog.versions.publish(draft(), stored);
  const documents = await documentsOf(catalog);
  // Long titles, so that a few products fill a section and sections split, empty and come back.
  const title = 'x'.repeat(60_000);
  const change = fc.record({ os: fc.integer({ min: 0, max: 25 }), remove: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 15 }), async (changes) => {
      for (const { os, remove } of changes) {
        const version = draft({
          os: `os${os}`,
          details: { osTitle: title, releaseTitle: 'r', requirements: {} },
          implied: [`alias${os}`],
        });
        const name = `os${os}:bookworm:amd64:default`;
        const exists = ((await catalog.products.find({ stream: 'images', name }))?.versions.length ?? 0) > 0;
        if (remove && exists) await catalog.versions.remove({ stream: 'images', name }, version.serial);
        if (!remove) await catalog.versions.publish(version, stored);
      }
      await documents.visible();
      const fresh = new Documents(catalog, { onError: () => undefined });
      await fresh.start();
      await fresh.stop();
      expect(read(documents)).toEqual(read(fresh));
      expect(Object.keys(read(documents).products)).toEqual(Object.keys(read(fresh).products));
    }),
    { numRuns: 15 },
  );
});

test('a product that moves into another stream is in that document, and in no other', async () => {
  const catalog = await scratchCatalog();
  const stays = draft({ product: { ...draft().product, release: 'trixie' }, owner: 'mirror:other' });
  await catalog.versions.publish(stays, stored);
  await catalog.versions.publish(draft({ owner: 'mirror:debian' }), stored);
  const documents = await documentsOf(catalog);
  expect(await catalog.products.move('mirror:debian', 'mirrored')).toBe(1);
  expect(await catalog.products.move('mirror:debian', 'mirrored')).toBe(0);
  await documents.visible();
  expect(Object.keys(read(documents).products)).toEqual(['debian:trixie:amd64:default']);
  expect(Object.keys(read(documents, 'mirrored').products)).toEqual(['debian:bookworm:amd64:default']);
  await catalog.products.move('mirror:debian', 'images');
  await documents.visible();
  expect(Object.keys(read(documents).products)).toHaveLength(2);
  expect(read(documents, 'mirrored').products).toEqual({});
});
