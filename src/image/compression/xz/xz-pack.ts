import lzma from 'lzma-native';

/**
 * Packs bytes as one xz stream. The result is kept in memory, so the input must be small. Not for worker threads that
 * may be terminated, which the library does not survive.
 */
export async function xz(bytes: Buffer): Promise<Buffer> {
  // Preset 1 needs 9 MiB of memory, the default 94; for a few KiB the result is the same.
  return await new Promise((resolve) => lzma.compress(bytes, { preset: 1 }, resolve));
}
