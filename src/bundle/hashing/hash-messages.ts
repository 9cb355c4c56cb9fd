/** What a {@link HashThread} tells its worker. */
export type ToHashWorker =
  | { type: 'begin'; memory: SharedArrayBuffer; round: number }
  | { type: 'block'; offset: number; length: number }
  | { type: 'end' };

/** What the worker answers, with the number of the source: that it has hashed a block, or the SHA-256 of all blocks, in hexadecimal. */
export type FromHashWorker =
  | { type: 'hashed'; offset: number; round: number }
  | { type: 'digest'; digest: string; round: number };
