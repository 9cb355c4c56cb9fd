import { xz } from '../../image/compression/xz/xz-pack.ts';
import type { Destination, StoredFile } from '../destination/destination.ts';
import type { SourceFile } from '../request.ts';

/**
 * Stores a unified virtual machine as the two parts of a split image. It reads the image once more.
 * @param source the file that was stored
 * @param unified the stored file, with its content
 */
export async function splitVirtualMachine(
  destination: Destination,
  source: SourceFile,
  unified: StoredFile,
): Promise<{ metadata: StoredFile; disk: StoredFile }> {
  let disk: StoredFile | undefined;
  const { compression } = unified.content;
  if (compression === 'squashfs') {
    throw new Error(`${unified.name} is a squashfs, which holds no virtual machine`);
  }
  const archive = await destination.split(source, compression, async (bytes, size) => {
    disk = await destination.store({ from: 'stream', name: `rootfs.img of ${unified.name}`, size, bytes });
  });
  if (disk === undefined) throw new Error(`${unified.name} was split without its disk`);
  const metadata = await xz(Buffer.from(archive));
  const name = `metadata of ${unified.name}`;
  return { metadata: await destination.store({ from: 'memory', name, bytes: metadata }), disk };
}
