import type { Compression, Content } from '../image/content.ts';
import type { ItemType } from '../model/versions.ts';

const suffixes: Record<Compression, string> = {
  none: '',
  gzip: '.gz',
  xz: '.xz',
  zstd: '.zst',
  bzip2: '.bz2',
  lzma: '.lzma',
};

/** What a root is called in its version, and its ftype in documents. */
export function rootItem(content: Content): { file: string; type: ItemType } {
  switch (content.kind) {
    case 'squashfs':
      return { file: 'rootfs.squashfs', type: 'squashfs' };
    case 'qcow2':
      return { file: 'disk.qcow2', type: 'disk-kvm.img' };
    case 'rootfs-tarball':
      // The daemons look at the bytes, so any compression may be listed as root.tar.xz; the name tells the truth.
      return { file: `rootfs.tar${suffixes[content.compression]}`, type: 'root.tar.xz' };
    default:
      throw new Error(`${content.kind} is no root`);
  }
}
