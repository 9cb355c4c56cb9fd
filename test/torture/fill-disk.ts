import { open } from 'node:fs/promises';

/** Writes a file until nothing more fits on its disk. */
export async function fillDisk(file: string): Promise<void> {
  const handle = await open(file, 'w');
  try {
    for (const size of [2 ** 20, 4096]) {
      for (;;) {
        const written = await handle.write(Buffer.alloc(size)).then(
          ({ bytesWritten }) => bytesWritten,
          (error: NodeJS.ErrnoException) => {
            if (error.code === 'ENOSPC') return 0;
            throw error;
          },
        );
        if (written < size) break;
      }
    }
  } finally {
    await handle.close();
  }
}
