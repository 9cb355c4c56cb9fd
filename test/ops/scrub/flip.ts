import { open } from 'node:fs/promises';

/** Flips a bit of a file. */
export async function flip(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, 40);
  await handle.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, 40);
  await handle.close();
}
