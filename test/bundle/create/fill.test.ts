import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fillBundle } from '../../../src/bundle/create/fill.ts';
import { signatureRoom } from '../../../src/bundle/create/plan.ts';
import type { SelectedState } from '../../../src/bundle/create/state.ts';
import { sizeOfVolumes, streamContent } from '../../../src/bundle/format/content.ts';
import { parseManifest, renderManifest } from '../../../src/bundle/format/manifest.ts';
import { packManifest, volumeSize } from '../../../src/bundle/format/volume-bytes.ts';
import { sha256 } from '../../support/catalog.ts';

const mebibyte = 1024 * 1024;
const product = 'debian:bookworm:amd64:default';
const digestOf = (name: string) => `sha256:${sha256(name)}`;

/** A state with one version for each size, the newest first. */
function stateOf(sizes: readonly number[]): SelectedState {
  const versions = sizes.map((size, index) => ({
    ...{ stream: 'images', product, label: 'release' },
    serial: `20260${String(999 - index).padStart(3, '0')}_0000`,
    items: [
      { type: 'squashfs' as const, file: 'rootfs.squashfs', digest: digestOf(`${index}`), size },
      // All versions share a file.
      { type: 'metadata' as const, file: 'metadata.tar.xz', digest: digestOf('shared'), size: 1000 },
    ],
  }));
  const blobs = sizes.map((size, index) => ({ digest: digestOf(`${index}`), size }));
  return {
    products: [
      {
        ...{ name: product, stream: 'images', owner: 'local', osTitle: 'Debian', releaseTitle: 'bookworm' },
        ...{ requirements: {}, aliases: ['debian/bookworm'] },
      },
    ],
    versions,
    blobs: [...blobs, { digest: digestOf('shared'), size: 1000 }],
  };
}

const place = {
  ...{ site: 'hq', to: 'vault-7', sequence: 3, previous: null, created: new Date('2026-11-30T00:00:00Z') },
  ...{ limit: Number.POSITIVE_INFINITY, sent: new Map<string, number>(), recent: new Set<string>() },
};

/** The bytes of all volumes, or of the stream. */
function sizeOf(manifest: ReturnType<typeof fillBundle>['manifest']): number {
  const bytes = renderManifest(manifest);
  const head = { manifest: packManifest(bytes), signature: Buffer.alloc(signatureRoom) };
  if (manifest.volumes.limit === null) return volumeSize(streamContent(manifest, head, bytes));
  return sizeOfVolumes(manifest, head).reduce((sum, size) => sum + size, 0);
}

test('a bundle has no more than its size, newest versions first, and names what it leaves out', () => {
  const state = stateOf([3, 3, 3, 3].map((size) => size * mebibyte));
  for (const limit of [Number.POSITIVE_INFINITY, 4 * mebibyte]) {
    const { manifest, leftOut } = fillBundle(state, { ...place, limit, maxSize: 7 * mebibyte });
    expect(sizeOf(manifest)).toBeLessThanOrEqual(7 * mebibyte);
    expect(manifest.versions).toEqual(state.versions.slice(0, 2));
    expect(leftOut).toEqual(state.versions.slice(2));
  }
});

test('a version that does not fit leaves its place to an older one', () => {
  const state = stateOf([2 * mebibyte, 9 * mebibyte, mebibyte]);
  const { manifest, leftOut } = fillBundle(state, { ...place, maxSize: 4 * mebibyte });
  expect(manifest.versions.map(({ serial }) => serial)).toEqual(['20260999_0000', '20260997_0000']);
  expect(leftOut.map(({ serial }) => serial)).toEqual(['20260998_0000']);
});

test('what was left out comes with the next bundle, and what was sent is named', () => {
  const state = stateOf([3 * mebibyte, 3 * mebibyte, 3 * mebibyte]);
  const first = fillBundle(state, { ...place, maxSize: 4 * mebibyte });
  const sent = new Map(first.manifest.carried.map(({ digest }) => [digest, 1]));
  const second = fillBundle(state, { ...place, maxSize: 4 * mebibyte, sent });
  expect(second.manifest.versions).toEqual(state.versions.slice(0, 2));
  expect(second.manifest.carried.map(({ digest }) => digest)).toEqual([digestOf('1')]);
  expect(second.manifest.assumed).toHaveLength(2);
});

test('blobs of previous bundles are carried once more as far as they fit, after all that is new', () => {
  const state = stateOf([2 * mebibyte, 2 * mebibyte, 2 * mebibyte, 500_000]);
  const sent = new Map([1, 2, 3].map((index) => [digestOf(`${index}`), 2]));
  const recent = new Set(sent.keys());
  const all = fillBundle(state, { ...place, sent, recent });
  expect(all.repeated).toEqual(recent);
  expect(all.manifest.assumed).toEqual([]);
  const some = fillBundle(state, { ...place, sent, recent, maxSize: 3 * mebibyte });
  expect(some.repeated).toEqual(new Set([digestOf('3')]));
  expect(some.leftOut).toEqual([]);
  expect(some.manifest.assumed.map(({ digest }) => digest)).toEqual([digestOf('1'), digestOf('2')]);
});

test('any size is kept, and the manifest is in order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 5 * mebibyte }), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 2 * mebibyte, max: 30 * mebibyte }),
      fc.constantFrom(Number.POSITIVE_INFINITY, 2 * mebibyte, 4 * mebibyte),
      (sizes, maxSize, limit) => {
        fc.pre(Math.min(...sizes) < mebibyte);
        const { manifest, leftOut } = fillBundle(stateOf(sizes), { ...place, limit, maxSize });
        expect(sizeOf(manifest)).toBeLessThanOrEqual(maxSize);
        expect(manifest.versions.length + leftOut.length).toBe(sizes.length);
        parseManifest(renderManifest(manifest), 'it');
      },
    ),
    { numRuns: 50 },
  );
});

test('a size in which nothing fits is refused', () => {
  const fill = () => fillBundle(stateOf([5 * mebibyte]), { ...place, maxSize: 3 * mebibyte });
  expect(fill).toThrow(/^maxSize: 3145728 bytes are too few: the smallest version has 524\d+ bytes/);
});
