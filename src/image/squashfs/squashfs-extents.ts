import type { Member } from '../tar/member.ts';

/** Bytes of a file as they lie in the squashfs. */
export interface Stretch {
  start: number;
  length: number;
  packed: boolean;
}

/** Where the bytes of a file are: whole blocks, then a part of a block that it shares with other files. */
export interface FileExtents {
  size: number;
  blockSize: number;
  compressor: number;
  blocks: Stretch[];
  tail?: Stretch & { offset: number };
}

/**
 * What can be told of a squashfs by its tables alone, and where the bytes are that tell the rest. They passed before the
 * tables did, so they are read again once the whole file is kept (`completeSquashfs`).
 */
export interface SquashfsLook {
  /** metadata.yaml of a unified image, and what lies beside its root. */
  unified?: { metadata: FileExtents; members: Member[] };
  /** The beginning of a well-known program of the root. */
  program?: FileExtents;
}
