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
const heldBudget = 16 * 1024 * 1024;
/** What share of the rest of the budget one chunk may take: the more is held, the smaller chunks become. */
const chunkShare = 8;

/** How many bytes of memory exist at most, held and free, before a reader must take free memory of another size. */
const pooledBudget = 24 * 1024 * 1024;
/** How many bytes of chunks wait to be used again at most. */
const maxFreeBytes = 16 * 1024 * 1024;

/** Chunks to be used again, by their size; the size that was used least recently is first. */
const freeChunks = new Map<number, ArrayBuffer[]>();
let freeBytes = 0;
/** Bytes that readers may use. */
let heldBytes = 0;
/** Bytes of the memory that readers hold, which may be larger than what they may use of it. */
let heldMemoryBytes = 0;

/** The memory of chunks that are in use, with the bytes that may be used of it. */
const heldMemory = new WeakMap<ArrayBufferLike, number>();
const collectedMemory = new FinalizationRegistry(release);

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
 * than sending it does (the system clears every new page), and garbage stays until V8 collects it: with 500 downloads that was
 * 64 MiB. So the owner of a chunk gives it back with {@link recycle} when it is done with it, and when much memory exists, free
 * memory of another size is used.
 */
export function takeChunk(wanted: number): Buffer {
  const size = chunkFor(wanted, readAllowance());
  const memory =
    reuse(size) ?? fresh(size) ?? reuseOther(size) ?? Buffer.allocUnsafeSlow(minChunkSize).buffer;
  const usable = Math.min(size, memory.byteLength);
  heldMemory.set(memory, usable);
  hold({ usable, size: memory.byteLength });
  collectedMemory.register(memory, { usable, size: memory.byteLength }, memory);
  return Buffer.from(memory, 0, Math.min(usable, wanted));
}

/**
 * Gives a chunk's memory back, to be written over at once: by its only owner, when it is done with it. What is never
 * given back is garbage like anything else, and memory that did not come from here is left alone.
 */
export function recycle(bytes: Uint8Array): void {
  const memory = bytes.buffer;
  const usable = heldMemory.get(memory);
  if (!(memory instanceof ArrayBuffer) || usable === undefined) return;
  heldMemory.delete(memory);
  collectedMemory.unregister(memory);
  const size = memory.byteLength;
  release({ usable, size });
  while (freeBytes + size > maxFreeBytes) dropOldest();
  freeBytes += size;
  const sameSize = freeChunks.get(size) ?? [];
  sameSize.push(memory);
  use(size, sameSize);
}

/** A chunk in use: the bytes that its reader may use, of the bytes that its memory has. */
interface Held {
  usable: number;
  size: number;
}

function hold({ usable, size }: Held): void {
  heldBytes += usable;
  heldMemoryBytes += size;
}

function release({ usable, size }: Held): void {
  heldBytes -= usable;
  heldMemoryBytes -= size;
}

/** The size of a chunk: the least one, doubled until it has all wanted bytes or is the largest that is allowed. */
function chunkFor(wanted: number, allowed: number): number {
  let size = minChunkSize;
  while (size < wanted && size * 2 <= allowed) size *= 2;
  return size;
}

function fresh(size: number): ArrayBuffer | undefined {
  if (heldMemoryBytes + freeBytes + size > pooledBudget) return undefined;
  return Buffer.allocUnsafeSlow(size).buffer;
}

function reuse(size: number): ArrayBuffer | undefined {
  const sameSize = freeChunks.get(size);
  const memory = sameSize?.pop();
  if (sameSize === undefined || memory === undefined) return undefined;
  freeBytes -= size;
  use(size, sameSize);
  return memory;
}

/** The smallest free memory that has the size, or else the largest. */
function reuseOther(size: number): ArrayBuffer | undefined {
  const sizes = [...freeChunks.keys()].sort((one, other) => one - other);
  const best = sizes.find((other) => other >= size) ?? sizes.at(-1);
  return best === undefined ? undefined : reuse(best);
}

function dropOldest(): void {
  const [[size, chunks] = []] = freeChunks;
  if (size === undefined || chunks?.pop() === undefined) throw new Error('free memory without chunks');
  freeBytes -= size;
  if (chunks.length === 0) freeChunks.delete(size);
}

/** Makes a size the one that was used last. */
function use(size: number, chunks: ArrayBuffer[]): void {
  freeChunks.delete(size);
  if (chunks.length > 0) freeChunks.set(size, chunks);
}
