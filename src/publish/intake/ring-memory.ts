/** The largest amount of memory that waits for reuse, in bytes: that of a few files. */
const maxFree = 40 * 1024 * 1024;

const free = new Map<number, SharedArrayBuffer[]>();
let freeBytes = 0;

/**
 * Memory that is shared with threads. It is used again and again: V8 does not count shared memory as its own, so it sees
 * no reason to collect what is no longer needed of it, and the memory of hundreds of files would stay.
 */
export function takeRingMemory(size: number): SharedArrayBuffer {
  const memory = free.get(size)?.pop();
  if (memory === undefined) return new SharedArrayBuffer(size);
  freeBytes -= size;
  return memory;
}

/** Releases memory, once, when no thread writes to it and nothing needs what a thread still reads from it. */
export function giveBackRingMemory(memory: SharedArrayBuffer): void {
  const size = memory.byteLength;
  if (freeBytes + size > maxFree) return;
  freeBytes += size;
  const sameSize = free.get(size);
  if (sameSize === undefined) free.set(size, [memory]);
  else sameSize.push(memory);
}
