import fc from 'fast-check';
import { expect, test } from 'vitest';
import { document, hash, item, offeredBy, product, version } from '../../mirror/documents.ts';

test('an image server of LXD or Incus is understood', () => {
  const combined = hash('both');
  const items = {
    'lxd.tar.xz': item('a/lxd.tar.xz', 'lxd.tar.xz', { combined_squashfs_sha256: combined }),
    'incus.tar.xz': item('a/lxd.tar.xz', 'incus.tar.xz'),
    'root.squashfs': item('a/rootfs.squashfs', 'squashfs'),
    'disk.qcow2': item('a/disk.qcow2', 'disk-kvm.img'),
  };
  const { offered, totals } = offeredBy(
    document({ 'debian:bookworm:amd64:default': product({ '20260101_05:24': { items } }) }),
  );
  expect(totals).toEqual({ products: 1, versions: 1 });
  expect(offered).toMatchObject([
    {
      key: { os: 'debian', release: 'bookworm', architecture: 'amd64', variant: 'default' },
      details: { osTitle: 'Debian', title: 'bookworm' },
      versions: [
        {
          name: '20260101_05:24',
          serial: '20260101_0524',
          metadata: { ftype: 'lxd.tar.xz', path: 'images/a/lxd.tar.xz' },
          roots: [
            { ftype: 'squashfs', type: 'container', fingerprint: combined },
            { ftype: 'disk-kvm.img', type: 'virtual-machine' },
          ],
        },
      ],
    },
  ]);
});

// The fields are those of cloud-images.ubuntu.com/releases.
test('the Ubuntu cloud images are understood: no variant, serials with counters, disk1.img', () => {
  const fields = {
    aliases: '22.04,j,jammy,lts',
    arch: 'amd64',
    os: 'ubuntu',
    release: 'jammy',
    release_codename: 'Jammy Jellyfish',
    release_title: '22.04 LTS',
    support_eol: '2027-06-01',
    supported: true,
    version: '22.04',
  };
  const items = {
    'lxd.tar.xz': item('u/lxd.tar.xz', 'lxd.tar.xz', { 'combined_disk1-img_sha256': hash('vm') }),
    'disk1.img': item('u/disk1.img', 'disk1.img'),
    'uefi1.img': item('u/uefi1.img', 'uefi1.img'),
    squashfs: item('u/squashfs', 'squashfs'),
    manifest: item('u/manifest', 'manifest'),
    'squashfs.vcdiff': item('u/vcdiff', 'squashfs.vcdiff', { delta_base: '20231211' }),
    'disk-kvm.img.vcdiff': item('u/kvm', 'disk-kvm.img.vcdiff', { delta_base: '20231211' }),
  };
  const versions = { '20231211.1': { items, label: 'release', pubname: 'ubuntu-jammy' } };
  const name = 'com.ubuntu.cloud:server:22.04:amd64';
  const { offered } = offeredBy(document({ [name]: product(versions, { ...fields, variant: undefined }) }), {
    variant: 'cloud',
  });
  expect(offered).toMatchObject([
    {
      key: { os: 'ubuntu', release: 'jammy', architecture: 'amd64', variant: 'cloud' },
      details: { title: '22.04 LTS', eol: '2027-06-01', aliases: ['22.04', 'j', 'jammy', 'lts'] },
      versions: [{ serial: '20231211_0001', label: 'release', deltas: [{ base: '20231211_0000' }] }],
    },
  ]);
  // One disk is enough.
  expect(offered[0]?.versions[0]?.roots.map(({ ftype }) => ftype)).toEqual(['squashfs', 'uefi1.img']);
});

test('a unified image is taken where there is no split one', () => {
  const unified = item('u/lxd.tar.gz', 'lxd_combined.tar.gz');
  const { offered } = offeredBy(document({ a: product({ '20260101': { items: { unified } } }) }));
  expect(offered[0]?.versions[0]).toMatchObject({ roots: [{ unified: true, type: 'container' }] });
  expect(offered[0]?.versions[0]).not.toHaveProperty('metadata');
});

test('the strongest digest that is there is taken', () => {
  const without = { sha256: undefined };
  const sha512 = 'A'.repeat(128);
  const items = {
    meta: item('m', 'lxd.tar.xz', { md5: '1'.repeat(32) }),
    root: item('r', 'squashfs', { ...without, md5: '2'.repeat(32), sha512 }),
    disk: item('d', 'disk-kvm.img', { ...without, md5: '3'.repeat(32) }),
  };
  const [found] = offeredBy(document({ a: product({ '20260101': { items } }) })).offered[0]?.versions ?? [];
  expect(found?.metadata).toMatchObject({ sha256: hash('m') });
  expect(found?.roots[0]).toMatchObject({ sha512: sha512.toLowerCase() });
  expect(found?.roots[1]).toMatchObject({ md5: '3'.repeat(32) });
});

test('what cannot be used is skipped and counted, and the rest is taken', () => {
  const items = {
    'lxd.tar.xz': item('x/lxd.tar.xz', 'lxd.tar.xz'),
    out: item('../../etc/passwd', 'squashfs', { path: '../../etc/passwd' }),
  };
  const { offered, skips, totals } = offeredBy(
    document({
      good: product({ '20260102': version('b'), '20260101': version('a') }),
      text: 'nonsense',
      strange: product({ '20260101': version('c') }, { arch: 'z80' }),
      typed: product({ '20260101': version('d') }, { release: 7 }),
      vagrant: product({ '20260101': { items: { box: item('v', 'vagrant.box') } } }, { variant: 'vagrant' }),
      other: product(
        {
          nightly: version('e'),
          '20260101': version('f', []),
          '20260102': { items },
          '20260103': { items: { 'lxd.tar.xz': item('g', 'lxd.tar.xz', { size: '1000' }) } },
          '20260104_0000': version('h'),
          '20260104': version('i'),
        },
        { variant: 'other' },
      ),
    }),
  );
  expect(offered.map(({ name, versions }) => [name, versions.map(({ serial }) => serial)])).toEqual([
    ['good', ['20260101_0000', '20260102_0000']],
    ['other', ['20260104_0000', '20260104_0001']],
  ]);
  expect(totals.versions).toBe(4);
  const counts = Object.fromEntries(skips.list().map(({ reason, count }) => [reason, count]));
  expect(counts).toEqual({
    'the product is not understood': 3,
    'there is no metadata for LXD or Incus': 2,
    "the version's name has no date and time": 1,
    'there is no root that clients know': 2,
    'an item cannot be used': 2,
  });
});

test('an odd item is skipped alone, and its version is taken without it', () => {
  const { items } = version('a');
  const odd = {
    number: { ftype: 7, path: 'x', size: 1 },
    none: null,
    text: 'x',
    delta: item('d', 'squashfs.vcdiff', { delta_base: 7 }),
  };
  const content = document({ a: product({ '20260101': { items: { ...odd, ...items }, label: 7 } }) });
  const { offered, skips } = offeredBy(content, { select: [{ fields: { path: ['images/a/*'] } }] });
  expect(offered[0]?.versions).toMatchObject([{ roots: [{ ftype: 'squashfs' }], deltas: [] }]);
  expect(offered[0]?.versions[0]).not.toHaveProperty('label');
  expect(skips.list()).toMatchObject([{ reason: 'an item cannot be used', count: 4 }]);
});

test('a field of a product that makes no sense is left out alone', () => {
  const fields = fc.constantFrom(
    'aliases',
    'release_title',
    'support_eol',
    'requirements',
    'lxd_requirements',
  );
  fc.assert(
    fc.property(fields, fc.jsonValue({ maxDepth: 2 }), (field, value) => {
      const odd = product({ '20260101': version('a') }, { [field]: value });
      const { offered } = offeredBy(document({ odd, fine: product({ '20260101': version('b') }) }));
      expect(offered.map(({ name, versions }) => [name, versions.length])).toEqual([
        ['odd', 1],
        ['fine', 1],
      ]);
    }),
  );
  const { offered, skips } = offeredBy(
    document({ a: product({ '20260101': version('a') }, { aliases: ['x'], support_eol: 5 }) }),
  );
  expect(offered[0]?.details).toEqual({ osTitle: 'Debian', title: 'bookworm' });
  expect(skips.list()).toMatchObject([{ reason: 'a field of a product is left out', count: 2 }]);
});

test('the example of what is skipped is no longer than a person reads', () => {
  const { skips } = offeredBy(
    document({ a: product({ '20260101': version('1') }, { aliases: 'x'.repeat(9000) }) }),
  );
  expect(skips.list()[0]?.example.length).toBeLessThan(400);
});

test('what is no products document is refused', () => {
  expect(() => offeredBy({ format: 'index:1.0' })).toThrow(/images\.json: its format is not products:1\.0/);
  expect(() => offeredBy([])).toThrow(/images\.json: not JSON/);
});
