import { Transform, type TransformCallback } from 'node:stream';

// Streams that pass bytes on until something happens to them; faithfully when given undefined.

/** Changes the byte at an offset. */
export function corruptAt(at: number | undefined): Transform {
  let passed = 0;
  return through((chunk) => {
    const offset = at === undefined ? -1 : at - passed;
    passed += chunk.length;
    if (offset < 0 || offset >= chunk.length) return chunk;
    const altered = Buffer.from(chunk);
    altered[offset] = (altered[offset] ?? 0) ^ 0xff;
    return altered;
  });
}

/** Passes so many bytes on, then waits. */
export function holdAfter(after: number | undefined, released: Promise<void>): Transform {
  let passed = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      passed += chunk.length;
      if (after === undefined || passed <= after) done(null, chunk);
      else void released.then(() => done(null, chunk));
    },
  });
}

/** Fails after so many bytes, having passed them on; at the end when there are fewer. */
export function cutAfter(count: number | undefined): Transform {
  let left = count ?? Number.POSITIVE_INFINITY;
  return new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      if (chunk.length < left) {
        left -= chunk.length;
        done(null, chunk);
        return;
      }
      this.push(chunk.subarray(0, left));
      left = 0;
      // Time for the bytes to go out.
      setImmediate(() => done(new Error('cut on purpose')));
    },
    flush(done) {
      done(count === undefined ? null : new Error('cut on purpose'));
    },
  });
}

function through(change: (chunk: Buffer) => Buffer): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done: TransformCallback) {
      done(null, change(chunk));
    },
  });
}
