import { type FileHandle, open } from 'node:fs/promises';

/** Bytes of each file that are compared at a time. */
const pieceSize = 1024 * 1024;

/**
 * Whether two local files have the same bytes: reads both, unless they are one file under two names. A file that is
 * missing or cannot be read has not.
 */
export async function haveSameBytes(one: string, other: string): Promise<boolean> {
  let first: FileHandle | undefined;
  let second: FileHandle | undefined;
  try {
    first = await open(one);
    second = await open(other);
    const [left, right] = [await first.stat(), await second.stat()];
    if (left.size !== right.size) return false;
    if (left.ino === right.ino && left.dev === right.dev) return true;
    return await compare(first, second, left.size);
  } catch {
    return false;
  } finally {
    await first?.close();
    await second?.close();
  }
}

async function compare(first: FileHandle, second: FileHandle, size: number): Promise<boolean> {
  const pieces = [Buffer.allocUnsafe(pieceSize), Buffer.allocUnsafe(pieceSize)] as const;
  for (let at = 0; at < size; at += pieceSize) {
    const length = Math.min(pieceSize, size - at);
    const [left, right] = await Promise.all([
      readFully(first, pieces[0].subarray(0, length), at),
      readFully(second, pieces[1].subarray(0, length), at),
    ]);
    if (!left.equals(right)) return false;
  }
  return true;
}

async function readFully(handle: FileHandle, into: Buffer, at: number): Promise<Buffer> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await handle.read(into, done, into.length - done, at + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return into.subarray(0, done);
}
