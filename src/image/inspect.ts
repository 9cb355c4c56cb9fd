import { HeadwaterError } from '../errors.ts';
import { detectCompression } from './compression/detect-compression.ts';
import type { Compression, Content } from './content.ts';
import type { FormatInspector } from './format-inspector.ts';
import { isQcow2, isSquashfs } from './magic.ts';
import { Qcow2Inspector } from './qcow2/qcow2.ts';
import { SquashfsInspector } from './squashfs/squashfs.ts';
import { completeSquashfs } from './squashfs/squashfs-look.ts';
import { isTarHeader } from './tar/tar.ts';
import { type InspectorOptions, inspectTarball, TarballInspector } from './tar/tarball-inspector.ts';
import { isVcdiff, VcdiffInspector } from './vcdiff.ts';

/** The number of bytes that distinguish all kinds of image files: a whole tar header. */
const headLength = 512;

/**
 * Determines the content of a file while its bytes pass. Calls must not overlap, and none may follow `end` or `abort`.
 */
export interface Inspector {
  /**
   * Reads the next bytes. Resolves when it is ready for more, and no longer uses the chunk: the caller may write over
   * it.
   * @throws HeadwaterError `invalid` as soon as the bytes cannot be an image file
   */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * The content of the file, after its last byte.
   * @throws HeadwaterError `invalid` when the bytes are not an image file, or are truncated or corrupt
   */
  end(): Promise<Content>;
  /** Stops, and frees everything. */
  abort(): void;
}

/**
 * Determines the content of a file from its bytes, not from its name. Memory does not grow with the file: it is that of
 * the decompressor (`limits.ts`) and a few chunks.
 * @param onProgress called repeatedly as the work proceeds, also between two writes
 * @param options.unpackedDigest false: without the digest of the unpacked archive of a gzip root, which takes time
 */
export function createInspector(
  onProgress: () => void = () => undefined,
  options: InspectorOptions = {},
): Inspector {
  return new FileInspector(onProgress, options);
}

/**
 * Determines the content of a small file in memory. It does not use streams, which take longer to set up.
 * @throws HeadwaterError `invalid` as {@link Inspector}
 */
export async function inspectWhole(
  bytes: Uint8Array,
  onProgress: () => void = () => undefined,
): Promise<Content> {
  if (bytes.length === 0) throw empty();
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, headLength));
  const kind = recognise(head, onProgress);
  if (!('inspector' in kind)) return await inspectTarball(kind.compression, bytes, onProgress);
  await kind.inspector.write(bytes);
  const content = await kind.inspector.end();
  if (content.kind !== 'squashfs' || content.look === undefined) return content;
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return await completeSquashfs(content.look, (start, length) =>
    Promise.resolve(all.subarray(start, start + length)),
  );
}

class FileInspector implements Inspector {
  readonly #onProgress: () => void;
  readonly #options: InspectorOptions;
  #head = Buffer.alloc(0);
  #inspector: FormatInspector | undefined;

  constructor(onProgress: () => void, options: InspectorOptions) {
    this.#onProgress = onProgress;
    this.#options = options;
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#inspector !== undefined) {
      await this.#inspector.write(chunk);
      return;
    }
    const needed = headLength - this.#head.length;
    const before = this.#head;
    this.#head = Buffer.concat([before, chunk.subarray(0, needed)]);
    if (chunk.length < needed) return;
    const inspector = inspectorFor(this.#head, this.#onProgress, this.#options);
    this.#inspector = inspector;
    // The earlier bytes, then the whole chunk: a decompressor is called as seldom as possible.
    if (before.length > 0) await inspector.write(before);
    await inspector.write(chunk);
  }

  async end(): Promise<Content> {
    if (this.#head.length === 0) throw empty();
    if (this.#inspector === undefined) {
      this.#inspector = inspectorFor(this.#head, this.#onProgress, this.#options);
      await this.#inspector.write(this.#head);
    }
    return await this.#inspector.end();
  }

  abort(): void {
    this.#inspector?.abort?.();
  }
}

function inspectorFor(head: Buffer, onProgress: () => void, options: InspectorOptions): FormatInspector {
  const kind = recognise(head, onProgress);
  return 'inspector' in kind ? kind.inspector : new TarballInspector(kind.compression, onProgress, options);
}

/** @param head the first bytes of the file, at least {@link headLength} or all */
function recognise(
  head: Buffer,
  onProgress: () => void,
): { inspector: FormatInspector } | { compression: Compression } {
  if (isSquashfs(head)) return { inspector: new SquashfsInspector(head, onProgress) };
  if (isQcow2(head)) return { inspector: new Qcow2Inspector(head) };
  if (isVcdiff(head)) return { inspector: new VcdiffInspector() };
  const compression = detectCompression(head);
  if (compression !== 'none' || isTarHeader(head)) return { compression };
  throw new HeadwaterError('invalid', describeUnknown(head));
}

function empty(): HeadwaterError {
  return new HeadwaterError('invalid', 'the file is empty');
}

function describeUnknown(head: Buffer): string {
  const expected =
    'squashfs, qcow2, a vcdiff delta, or a tar archive, plain or compressed with gzip, xz, zstd, bzip2 or lzma';
  // The mark at the end of a boot sector (UEFI specification, "Legacy Master Boot Record").
  if (head.length === headLength && head.readUInt16LE(510) === 0xaa55) {
    return 'looks like a raw disk: convert it with qemu-img convert -O qcow2';
  }
  // The message quotes none of its bytes: a name may point to a file that the reader of the message must not read.
  return `no image file: expected ${expected}`;
}
