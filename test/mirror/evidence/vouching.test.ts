import { describe, expect, test } from 'vitest';
import { vouching } from '../../../src/mirror/evidence/vouching.ts';
import { parseDigest } from '../../../src/model/digest.ts';
import type { OfferedFile, OfferedRoot, OfferedVersion } from '../../../src/simplestreams/read/offered.ts';
import { hash } from '../documents.ts';

const digest = (text: string) => parseDigest(hash(text));
const metadata: OfferedFile = { ftype: 'lxd.tar.xz', path: 'meta', size: 10, sha256: digest('meta') };
const squashfs: OfferedRoot = {
  ...{ ftype: 'squashfs', path: 'root', size: 20, sha256: digest('root'), type: 'container', unified: false },
  fingerprint: digest('both'),
};
const disk: OfferedRoot = {
  ...squashfs,
  ftype: 'disk-kvm.img',
  path: 'disk',
  sha256: digest('disk'),
  type: 'virtual-machine',
  fingerprint: digest('vm'),
};
const version: OfferedVersion = {
  name: '20260101',
  serial: '20260101_0000',
  metadata,
  roots: [squashfs, disk],
  deltas: [],
};
const meta = { type: 'metadata', file: 'lxd.tar.xz', digest: hash('meta'), size: 10 } as const;
const root = {
  type: 'squashfs',
  file: 'rootfs.squashfs',
  digest: hash('root'),
  size: 20,
  fingerprint: hash('both'),
} as const;

describe('a document', () => {
  test('vouches for the files that it lists, also where it lists more', () => {
    expect(vouching(version, [meta, root])).toEqual({ result: 'same' });
    const delta = { type: 'squashfs.vcdiff', file: 'a.vcdiff', digest: hash('delta'), size: 5 } as const;
    expect(vouching(version, [meta, root, delta])).toEqual({ result: 'same' });
  });

  test.for([
    ['another root', [meta, { ...root, digest: hash('other') }], /does not list rootfs\.squashfs/],
    ['another size', [meta, { ...root, size: 21 }], /rootfs\.squashfs has 20 bytes, and the catalog has 21/],
    [
      'another fingerprint',
      [meta, { ...root, fingerprint: hash('x') }],
      /the fingerprint of rootfs\.squashfs is/,
    ],
    ['another metadata item', [{ ...meta, digest: hash('root') }, root], /the SHA-256 of lxd\.tar\.xz is/],
    [
      'swapped files',
      [
        { ...meta, digest: hash('root') },
        { ...root, digest: hash('meta') },
      ],
      /lxd\.tar\.xz/,
    ],
  ] as const)('does not vouch for %s', ([, items, reason]) => {
    expect(vouching(version, items)).toEqual({
      result: 'other',
      reason: expect.stringMatching(reason) as string,
    });
  });

  test('without SHA-256 vouches by the fingerprint, if it has one', () => {
    const bare = (root: OfferedRoot) => {
      const { sha256, ...rest } = root;
      return { ...rest, md5: 'a'.repeat(32) };
    };
    const { sha256, ...plain } = metadata;
    const weak = { ...version, metadata: { ...plain, md5: 'b'.repeat(32) }, roots: [bare(squashfs)] };
    expect(vouching(weak, [meta, root])).toEqual({ result: 'same' });
    expect(vouching(weak, [meta, { ...root, fingerprint: hash('x') }]).result).toBe('unclear');
    const { fingerprint, ...unnamed } = bare(squashfs);
    expect(vouching({ ...weak, roots: [unnamed] }, [meta, root]).result).toBe('unclear');
  });

  test('of a unified virtual machine does not list the files of its two parts', () => {
    const unified: OfferedRoot = { ...disk, unified: true };
    const { metadata: _, ...rest } = version;
    expect(vouching({ ...rest, roots: [unified] }, [meta, root])).toMatchObject({
      result: 'unclear',
      reason: expect.stringContaining('split') as string,
    });
  });

  test('of a unified container lists its one file', () => {
    const unified: OfferedRoot = { ...squashfs, unified: true, fingerprint: digest('root') };
    const { metadata: _, ...rest } = version;
    const item = { ...root, type: 'combined', fingerprint: hash('root') } as const;
    expect(vouching({ ...rest, roots: [unified] }, [item])).toEqual({ result: 'same' });
    expect(vouching({ ...rest, roots: [unified] }, [item, meta]).result).toBe('other');
  });
});
