import type { Architecture } from '../model/architecture.ts';
import type { ImageType } from '../model/item-types.ts';
import type { Violation } from './image-rules.ts';
import type { SquashfsLook } from './squashfs/squashfs-extents.ts';

/** The compression of a tarball, detected from its first bytes. */
export type Compression = keyof typeof compressionSuffixes;

/** The file name extension of each compression. */
export const compressionSuffixes = {
  none: '',
  gzip: '.gz',
  xz: '.xz',
  zstd: '.zst',
  bzip2: '.bz2',
  lzma: '.lzma',
} as const;

/** The members of an archive that point out of it on a daemon's host. A field is absent if there are none. */
interface Judged {
  violations?: Violation[];
}

/** The content of an image file, detected from its bytes, not from its name. */
export type Content =
  /** A tarball with metadata.yaml and no root: the metadata item of a split image. */
  | ({ kind: 'metadata'; compression: Compression; metadata: ImageMetadata } & Judged)
  /**
   * A tarball or squashfs with metadata.yaml and a root in it: `rootfs/` (container) or `rootfs.img` (virtual machine).
   * `programs` is the architecture of the root's programs, if it could be determined.
   */
  | ({
      kind: 'unified';
      compression: Compression | 'squashfs';
      metadata: ImageMetadata;
      type: ImageType;
      programs?: Architecture;
    } & Judged)
  /**
   * A tarball of a root filesystem; `found` contains the facts that its files give. `unpacked` is the SHA-256 of the
   * unpacked archive, which OCI calls the `diff_id`: only of gzip whose last member ends where the file ends.
   */
  | ({
      kind: 'rootfs-tarball';
      compression: Compression;
      found: RootfsFacts;
      unpacked?: string;
      /** It deletes files of other layers of an OCI image (Image Specification 1.1, "Whiteouts"). */
      whiteouts?: true;
    } & Judged)
  /**
   * A squashfs root filesystem. `look` gives the places of the bytes in the file that contain more; it is replaced by
   * what they tell before anything is recorded (`completeSquashfs`).
   */
  | { kind: 'squashfs'; compression: 'none'; programs?: Architecture; look?: SquashfsLook }
  /** A qcow2 disk: the root of a virtual machine. */
  | { kind: 'qcow2'; compression: 'none'; virtualSize: number }
  /** A delta from one squashfs to another. */
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

/** The facts that the files of a root filesystem give; a field is absent if they do not give it. */
export interface RootfsFacts {
  /** `ID` of os-release. */
  os?: string;
  /** The usual name of the release: from os-release, by the rules in `os-release.ts`. */
  release?: string;
  /** `VERSION_ID` of os-release. */
  version?: string;
  /** `PRETTY_NAME` of os-release. */
  title?: string;
  /** From the ELF header of a well-known binary. */
  architecture?: Architecture;
}
