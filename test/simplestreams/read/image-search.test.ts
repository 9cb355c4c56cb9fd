import { describe, expect, test } from 'vitest';
import {
  type FoundImage,
  ImageSearch,
  type WantedImage,
} from '../../../src/simplestreams/read/image-search.ts';
import { document, hash, item, offeredBy, product, version } from '../../mirror/documents.ts';

/** Looks for an image in a document. */
function find(products: Record<string, unknown>, wanted: Partial<WantedImage>): FoundImage {
  const search = new ImageSearch(
    { reference: 'debian/bookworm', architecture: 'amd64', ...wanted },
    'https://images.example',
  );
  search.look(offeredBy(document(products)).offered);
  return search.result();
}

const [older, newer] = ['20260101_0000', '20260102_0000'];

describe('an alias', () => {
  test('leads to the newest version that has the type', () => {
    const products = {
      a: product({
        [older]: version(older, ['squashfs', 'disk-kvm.img']),
        [newer]: version(newer, ['root.tar.xz', 'squashfs']),
      }),
    };
    const found = (wanted: Partial<WantedImage>) => {
      const { version: of, root } = find(products, wanted);
      return [of.serial, root.ftype];
    };
    expect(found({ type: 'container' })).toEqual([newer, 'squashfs']);
    expect(found({ type: 'virtual-machine' })).toEqual([older, 'disk-kvm.img']);
    expect(found({})).toEqual([newer, 'squashfs']);
  });

  test('without a type leads to a virtual machine where there is nothing else', () => {
    const products = { a: product({ [older]: version(older, ['disk-kvm.img']) }) };
    expect(find(products, {}).root.type).toBe('virtual-machine');
  });

  test('means the architecture of who asks, or the one behind it', () => {
    const products = Object.fromEntries(
      ['amd64', 'arm64'].map((arch) => [arch, product({ [older]: version(older) }, { arch })]),
    );
    expect(find(products, {}).product.name).toBe('amd64');
    expect(find(products, { architecture: 'arm64' }).product.name).toBe('arm64');
    expect(find(products, { reference: 'debian/bookworm/arm64' }).product.name).toBe('arm64');
    expect(find(products, { reference: 'debian/bookworm/aarch64' }).product.name).toBe('arm64');
    expect(() => find(products, { architecture: 'riscv64' })).toThrow(
      'https://images.example: debian/bookworm exists for amd64, arm64, not for riscv64: ask for debian/bookworm/amd64',
    );
    expect(() => find(products, { reference: 'debian/bookworm/riscv64' })).toThrow('there is no image named');
  });

  test('is one of those that the upstream gives, or one that every product has', () => {
    const products = { a: product({ [older]: version(older) }, { aliases: 'Stable,12' }) };
    for (const reference of ['Stable', '12', 'debian/bookworm', 'Debian/bookworm/default']) {
      expect(find(products, { reference }).product.name).toBe('a');
    }
    expect(() => find(products, { reference: 'debian' })).toThrow('there is no image named debian');
  });
});

describe('a fingerprint', () => {
  const image = (fingerprint: string, serial: string) => ({
    items: {
      metadata: item(`${serial}/m`, 'lxd.tar.xz', { combined_squashfs_sha256: fingerprint }),
      root: item(`${serial}/r`, 'squashfs'),
    },
  });

  test('is enough when its beginning is that of one image only, of whatever architecture', () => {
    const [one, other] = [`abcdef1${hash('a').slice(7)}`, `abcdef2${hash('b').slice(7)}`];
    const products = {
      a: product({ [older]: image(one, older) }, { arch: 'arm64' }),
      b: product({ [older]: image(other, newer) }, { release: 'trixie' }),
    };
    expect(find(products, { reference: one }).product.name).toBe('a');
    expect(find(products, { reference: 'ABCDEF2' }).product.name).toBe('b');
    expect(() => find(products, { reference: 'abcdef' })).toThrow('more than one image begins with abcdef');
    expect(() => find(products, { reference: 'abcde' })).toThrow('there is no image named abcde');
  });
});
