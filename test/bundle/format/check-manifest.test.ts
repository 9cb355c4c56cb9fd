import { expect, test } from 'vitest';
import { planBundle } from '../../../src/bundle/create/plan.ts';
import { checkManifest } from '../../../src/bundle/format/check-manifest.ts';
import type { Manifest } from '../../../src/bundle/format/manifest-schema.ts';
import { sha256 } from '../../support/catalog.ts';

const mebibyte = 1024 * 1024;
const blobs = [3 * mebibyte, 10].map((size) => ({ digest: `sha256:${sha256(`${size}`)}`, size }));
const product = {
  stream: 'images',
  owner: 'local',
  osTitle: 'A',
  releaseTitle: 'b',
  requirements: {},
  aliases: [],
};
const manifest: Manifest = planBundle(
  {
    products: [{ name: 'a:b:amd64:default', ...product }],
    versions: [
      {
        ...{ stream: 'images', product: 'a:b:amd64:default', serial: '20260101_0000', label: 'release' },
        items: blobs.map((blob, at) => ({ type: 'squashfs', file: `f${at}`, ...blob })),
      },
    ],
    blobs,
  },
  {
    ...{ site: 'hq', to: 'vault-7', sequence: 1, previous: null, created: new Date(), limit: 2 * mebibyte },
    sent: new Map(),
  },
);

test('a manifest as it is planned is accepted', () => {
  expect(manifest.volumes.count).toBe(3);
  checkManifest(manifest, 'm');
});

test.each<[string, (changed: Manifest) => void, RegExp]>([
  [
    'more volumes than have blobs',
    ({ volumes }) => (volumes.count = 2 ** 40),
    /volumes\.count is 1099511627776/,
  ],
  ['fewer volumes than have blobs', ({ volumes }) => (volumes.count = 1), /volumes\.count is 1/],
  [
    'a volume that is far away',
    ({ volumes, carried }) => {
      volumes.count = 2 ** 40;
      for (const blob of carried) if (blob.volume !== undefined) blob.volume = 2 ** 40;
    },
    /volumes\.count is 1099511627776, and blobs are in/,
  ],
  [
    'a gap between pieces',
    ({ carried: [blob] }) => {
      for (const piece of blob?.pieces ?? []) piece.offset += 1;
    },
    /a piece begins at 1, not at 0/,
  ],
  ['a blob that no version needs', ({ versions }) => versions[0]?.items.pop(), /belongs to no version/],
  ['a blob that is not listed', ({ carried }) => carried.pop(), /neither carried nor assumed/],
  ['another sum of bytes', ({ volumes }) => (volumes.bytes += 1), /volumes\.bytes is/],
  ['a version without a product', ({ products }) => products.pop(), /has no product/],
])('%s is refused', (_, change, message) => {
  const changed = structuredClone(manifest);
  change(changed);
  expect(() => checkManifest(changed, 'm')).toThrow(message);
});
