/** Bytes that a store reads at once. With 64 KiB, the default of streams, serving takes two to three times as long (measured). */
export const chunkSize = 512 * 1024;

/** How many chunks wait to be used again at most: what a few dozen downloads at once need. */
const most = 128;

const free: Buffer[] = [];
/** The memory of every chunk from here, so that nobody else's comes in. */
const ours = new WeakSet<ArrayBufferLike>();

/**
 * Memory for `chunkSize` bytes. New memory for each chunk costs more than sending it does (the system clears every
 * page anew), so whoever knows that nobody needs a chunk any more gives it back with {@link recycle}.
 */
export function takeChunk(): Buffer {
  const known = free.pop();
  if (known !== undefined) return known;
  const chunk = Buffer.allocUnsafeSlow(chunkSize);
  ours.add(chunk.buffer);
  return chunk;
}

/**
 * Gives a chunk's memory back, to be written over at once: by its only owner, when it is done with it. What is never
 * given back is garbage like anything else, and memory that did not come from here is left alone.
 */
export function recycle(bytes: Uint8Array): void {
  if (free.length < most && ours.has(bytes.buffer)) free.push(Buffer.from(bytes.buffer, 0, chunkSize));
}
