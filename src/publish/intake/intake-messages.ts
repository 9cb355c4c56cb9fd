import type { LiblzmaOptions } from '../../image/compression/xz/liblzma.ts';
import type { Compression } from '../../image/content.ts';
import type { ExaminationRequest, Findings } from './examination.ts';
import type { Failure } from './thread-error.ts';

// The messages between the main thread and the threads that examine files (`intake-thread.ts`, `intake-worker.ts`).

/** A small file whose bytes are part of a larger piece of memory. */
export interface PackedFile {
  start: number;
  end: number;
  after?: { start: number; end: number };
  into?: string;
}

/** The message that starts a job. */
export type Beginning =
  | { type: 'start'; request: ExaminationRequest; ring: SharedArrayBuffer; slotSize: number }
  | { type: 'file'; request: ExaminationRequest; path: string }
  | { type: 'small'; bytes: ArrayBuffer; files: PackedFile[] }
  | { type: 'split'; compression: Compression };

/** Asks the main thread for a process that unpacks: only there are processes waited for that a thread has left behind. */
export interface UnpackerRequest {
  type: 'unpacker';
  /** No job's. */
  job: 0;
  /** The number by which the thread knows it. */
  unpacker: number;
  /** The socket to connect to, in a directory of its own. */
  path: string;
  options: LiblzmaOptions;
}

export type ToWorker = { job: number } & (
  | Beginning
  | { type: 'chunk'; slot: number; length: number }
  /** Of an image that is split: more of it. */
  | { type: 'bytes'; bytes: Uint8Array }
  /** A piece of the disk was processed: the next may be sent. */
  | { type: 'next' }
  | { type: 'end' }
  | { type: 'abort' }
  /** A process that unpacks has ended or did not start, with the reason if it is known. */
  | { type: 'unpacker-ended'; unpacker: number; reason: string }
);

export type FromWorker = { job: number } & (
  | { type: 'free'; slot: number }
  | { type: 'found'; found: Findings }
  | { type: 'failed'; failure: Failure }
  | { type: 'aborted' }
  | { type: 'taken'; outcomes: ({ found: Findings } | { failure: Failure })[] }
  /** Of an image that is split: there is room for more of it. */
  | { type: 'room' }
  | { type: 'disk'; size: number }
  | { type: 'piece'; bytes: Uint8Array }
  | { type: 'disk-end' }
  | { type: 'split'; archive: Uint8Array }
);
