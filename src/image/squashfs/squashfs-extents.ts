import type { Member } from '../tar/member.ts';

/** Bytes of a file, as they are stored in the squashfs. */
export interface Stretch {
  start: number;
  length: number;
  packed: boolean;
}

/** The places of a file's bytes: whole blocks, then a part of a block that it shares with other files. */
export interface FileExtents {
  size: number;
  blockSize: number;
  compressor: number;
  blocks: Stretch[];
  tail?: Stretch & { offset: number };
}

/**
 * The facts about a squashfs that its tables give, and the places of the bytes that contain the rest. Those bytes
 * passed before the tables, so they are read again when the whole file is stored (`completeSquashfs`).
 */
export interface SquashfsLook {
  /** metadata.yaml of a unified image, and the files beside its root. */
  unified?: { metadata: FileExtents; members: Member[] };
  /** The beginning of a well-known program of the root. */
  program?: FileExtents;
}
