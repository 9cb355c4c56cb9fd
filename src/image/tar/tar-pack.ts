import { buffer } from 'node:stream/consumers';
import { type Header, pack } from 'tar-stream';

/** A member of an archive to make. */
export interface PackEntry {
  name: string;
  type: Header['type'];
  mode: number;
  mtime: Date;
  /** The target of a link. */
  linkName?: string;
  /** The content of a file. */
  bytes?: Buffer;
}

/**
 * Packs a small tar archive in memory, owned by root. The same entries always give the same bytes.
 */
export async function packTar(entries: PackEntry[]): Promise<Buffer> {
  const archive = pack();
  for (const { name, type, mode, mtime, linkName, bytes = Buffer.alloc(0) } of entries) {
    const link = linkName === undefined ? {} : { linkname: linkName };
    // tar-stream leaves it to its caller to add the slash by which older programs recognize a directory.
    const path = type === 'directory' ? `${name}/` : name;
    archive.entry({ name: path, type, mode, mtime, ...link }, bytes);
  }
  archive.finalize();
  return await buffer(archive);
}
