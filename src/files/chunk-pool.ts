/**
 * How many bytes may follow a chunk before its memory is used again. Sources that read large files take turns with a
 * few buffers: fresh ones for each chunk cost more than hashing it (page faults, garbage collection).
 */
export const chunkLifetime = 4 * 1024 * 1024;

/**
 * The fewest bytes that a store reads at once, when very many readers hold chunks. TLS keeps a copy in buffers of 16 KiB: with
 * its overhead and the headers of the response, a chunk of 16 KiB would need two.
 */
const minChunkSize = 15.5 * 1024;
/** The most. With 64 KiB, the default of streams, serving takes two to three times as long (measured). */
const chunkSize = 32 * minChunkSize;

/**
 * How many bytes all readers together may hold in chunks of more than the least size. A download holds two chunks, one
 * that is sent and one that was read ahead, and TLS makes a copy of the first.
 */
const heldBudget = 32 * 1024 * 1024;
/** What share of the rest of the budget one chunk may take: the more is held, the smaller chunks become. */
const chunkShare = 8;

/** How many bytes of chunks wait to be used again at most. */
const maxFreeBytes = 16 * 1024 * 1024;

/** Chunks to be used again, by their size. */
const freeChunks = new Map<number, ArrayBuffer[]>();
let freeBytes = 0;
let heldBytes = 0;

/** The memory of chunks that are in use. */
const heldMemory = new WeakSet<ArrayBufferLike>();
const collectedMemory = new FinalizationRegistry((size: number) => {
  heldBytes -= size;
});

/** How many bytes may be read at once or ahead now, so that all readers together stay within the budget. */
export function readAllowance(maxSize = chunkSize): number {
  return Math.max(minChunkSize, Math.min(maxSize, Math.floor((heldBudget - heldBytes) / chunkShare)));
}

/** Whether readers may read a chunk before it is asked for: not when so much is held that chunks have the least size. */
export function mayReadAhead(): boolean {
  return readAllowance() > minChunkSize;
}

/** Counts bytes that a reader holds, or no longer holds, elsewhere than in a chunk from here. */
export function countHeld(bytes: number): void {
  heldBytes += bytes;
}

/**
 * Memory for up to `wanted` bytes, or for fewer when readers hold much already. New memory for each chunk costs more
 * than sending it does (the system clears every new page), so the owner of a chunk gives it back with {@link recycle}
 * when it is done with it.
 */
export function takeChunk(wanted: number): Buffer {
  const size = chunkFor(wanted, readAllowance());
  const memory = reuse(size) ?? Buffer.allocUnsafeSlow(size).buffer;
  heldMemory.add(memory);
  heldBytes += size;
  collectedMemory.register(memory, size, memory);
  return Buffer.from(memory, 0, Math.min(size, wanted));
}

/**
 * Gives a chunk's memory back, to be written over at once: by its only owner, when it is done with it. What is never
 * given back is garbage like anything else, and memory that did not come from here is left alone.
 */
export function recycle(bytes: Uint8Array): void {
  const memory = bytes.buffer;
  if (!(memory instanceof ArrayBuffer) || !heldMemory.delete(memory)) return;
  const size = memory.byteLength;
  heldBytes -= size;
  collectedMemory.unregister(memory);
  if (freeBytes + size > maxFreeBytes) return;
  freeBytes += size;
  const sameSize = freeChunks.get(size);
  if (sameSize === undefined) freeChunks.set(size, [memory]);
  else sameSize.push(memory);
}

/** The size of a chunk: the least one, doubled until it has all wanted bytes or is the largest that is allowed. */
function chunkFor(wanted: number, allowed: number): number {
  let size = minChunkSize;
  while (size < wanted && size * 2 <= allowed) size *= 2;
  return size;
}

function reuse(size: number): ArrayBuffer | undefined {
  const memory = freeChunks.get(size)?.pop();
  if (memory !== undefined) freeBytes -= size;
  return memory;
}
