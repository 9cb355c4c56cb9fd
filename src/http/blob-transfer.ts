import type { ServerResponse } from 'node:http';
import { recycle } from '../files/chunk-pool.ts';
import type { BlobBody } from './blob-body.ts';
import { writeAllowance } from './write-allowance.ts';

/** A client that takes longer for a chunk is slow, in milliseconds. */
const slowSendTimeout = 1000;
/**
 * The size of a piece for a slow client, in bytes. The system reports progress only for whole pieces, and a client that
 * reads nothing for long is disconnected.
 */
const slowPieceSize = 16 * 1024;

/**
 * Sends one blob, each piece when the client has received the previous one. A download has thousands of chunks and a
 * server thousands of downloads: an async iterator would make some dozen objects for each chunk.
 */
export class BlobTransfer {
  readonly #response: ServerResponse;
  readonly #body: BlobBody;
  #settle: { resolve: (open: boolean) => void; reject: (error: unknown) => void } | undefined;
  /** The chunk that is being written. */
  #chunk: Uint8Array | undefined;
  /** The number of bytes of the chunk that were written. */
  #offset = 0;
  /** When its first piece was written, by the clock of `performance`. */
  #since = 0;
  #isSlow = false;
  #sent = 0;
  #ended = false;

  constructor(response: ServerResponse, body: BlobBody) {
    this.#response = response;
    this.#body = body;
  }

  /**
   * @returns whether the response accepts more; false when the client has disconnected
   * @throws the error of the bytes, also when there are fewer than announced
   */
  async run(): Promise<boolean> {
    const { bytes } = this.#body;
    try {
      return await new Promise((resolve, reject) => {
        this.#settle = { resolve, reject };
        this.#response.on('close', this.#left);
        bytes.on('readable', this.#next).on('end', this.#end).on('close', this.#end).on('error', reject);
        if (this.#response.destroyed) resolve(false);
        else if (bytes.destroyed) reject(bytes.errored ?? this.#tooFew());
      });
    } finally {
      this.#response.off('close', this.#left);
      bytes.off('readable', this.#next).off('end', this.#end).off('close', this.#end);
    }
  }

  readonly #left = () => this.#settle?.resolve(false);

  readonly #next = () => {
    if (this.#chunk !== undefined) return;
    const chunk: Uint8Array | null = this.#body.bytes.read();
    if (chunk === null) return;
    this.#chunk = chunk;
    this.#offset = 0;
    this.#since = performance.now();
    this.#write(chunk);
  };

  #write(chunk: Uint8Array): void {
    const start = this.#offset;
    const most = this.#isSlow ? slowPieceSize : chunk.length;
    this.#offset = start + writeAllowance(this.#response, Math.min(most, chunk.length - start));
    this.#response.write(chunk.subarray(start, this.#offset), this.#written);
  }

  readonly #written = () => {
    const chunk = this.#chunk;
    if (chunk === undefined) return;
    if (this.#offset < chunk.length && !this.#response.destroyed) {
      this.#write(chunk);
      return;
    }
    this.#sent += chunk.length;
    this.#isSlow = performance.now() - this.#since > slowSendTimeout;
    this.#chunk = undefined;
    recycle(chunk);
    if (this.#response.destroyed) return;
    if (this.#ended) this.#end();
    else this.#next();
  };

  readonly #end = () => {
    this.#ended = true;
    if (this.#chunk !== undefined) return;
    if (this.#sent === this.#body.length) this.#settle?.resolve(true);
    else this.#settle?.reject(this.#tooFew());
  };

  #tooFew(): Error {
    return new Error(`a blob ended after ${this.#sent} of ${this.#body.length} bytes`);
  }
}
