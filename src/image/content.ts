import type { Architecture } from '../model/architecture.ts';
import type { ImageType } from '../model/item-types.ts';
import type { Violation } from './image-rules.ts';
import type { SquashfsLook } from './squashfs/squashfs-extents.ts';

/** How a tarball is compressed, told by its first bytes. */
export type Compression = keyof typeof compressionSuffixes;

/** What a compression adds to the name of a file. */
export const compressionSuffixes = {
  none: '',
  gzip: '.gz',
  xz: '.xz',
  zstd: '.zst',
  bzip2: '.bz2',
  lzma: '.lzma',
} as const;

/** What an archive has that leads daemons out of it on their host. Absent where there is nothing of it. */
interface Judged {
  violations?: Violation[];
}

/** What an image file holds: told by its bytes, whatever its name says. */
export type Content =
  /** A tarball with metadata.yaml and no root: the metadata item of a split image. */
  | ({ kind: 'metadata'; compression: Compression; metadata: ImageMetadata } & Judged)
  /**
   * A tarball or squashfs with metadata.yaml and a root in it: `rootfs/` (container) or `rootfs.img` (virtual machine). `programs` is
   * the architecture that the root's programs are for, where that could be seen.
   */
  | ({
      kind: 'unified';
      compression: Compression | 'squashfs';
      metadata: ImageMetadata;
      type: ImageType;
      programs?: Architecture;
    } & Judged)
  /** A tarball of a root filesystem; `found` is what it says of itself. */
  | ({ kind: 'rootfs-tarball'; compression: Compression; found: RootfsFacts } & Judged)
  /**
   * A squashfs root filesystem. `look` says where in the file the bytes are that tell more; it is replaced by what they
   * tell before anything is recorded (`completeSquashfs`).
   */
  | { kind: 'squashfs'; compression: 'none'; programs?: Architecture; look?: SquashfsLook }
  /** A qcow2 disk: the root of a virtual machine. */
  | { kind: 'qcow2'; compression: 'none'; virtualSize: number }
  /** A delta that makes one squashfs of another. */
  | { kind: 'vcdiff'; compression: 'none' };

/** metadata.yaml, as far as Headwater reads it (the image format of the LXD and Incus documentation). */
export interface ImageMetadata {
  architecture: Architecture;
  /** Seconds since 1970. */
  creationDate: number;
  /** Seconds since 1970; undefined when the image does not expire. */
  expiryDate?: number;
  /** Every value as text, as the daemons read them. */
  properties: Record<string, string>;
  /** metadata.yaml itself, as text. */
  source: string;
}

/** What a root filesystem says of itself; a field is absent where it says nothing. */
export interface RootfsFacts {
  /** `ID` of os-release. */
  os?: string;
  /** What people call the release: from os-release, by the rules in `os-release.ts`. */
  release?: string;
  /** `VERSION_ID` of os-release. */
  version?: string;
  /** `PRETTY_NAME` of os-release. */
  title?: string;
  /** From the ELF header of a well-known binary. */
  architecture?: Architecture;
}
