import { HeadwaterError } from '../errors.ts';
import { detectCompression } from './compression.ts';
import type { Content } from './content.ts';
import type { Examiner } from './examiner.ts';
import { isQcow2, isSquashfs } from './magic.ts';
import { Qcow2Examiner } from './qcow2.ts';
import { SquashfsExaminer } from './squashfs.ts';
import { isTarHeader } from './tar.ts';
import { TarballExaminer } from './tarball-examiner.ts';
import { isVcdiff, VcdiffExaminer } from './vcdiff.ts';

/** Bytes that tell every kind of image file from the others: a whole tar header. */
const headLength = 512;

/** Finds out what a file is while its bytes pass. One call after the other; none after `end` or `abort`. */
export interface Inspector {
  /**
   * Takes the next bytes. Resolves when it is ready for more, and has no more use for the chunk by then: the caller
   * may write over it.
   * @throws HeadwaterError `invalid` as soon as the bytes cannot be an image file
   */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * What the file is, now that all of it has passed.
   * @throws HeadwaterError `invalid` when the bytes are no image file, or one that is truncated or corrupt
   */
  end(): Promise<Content>;
  /** Gives up and frees everything. */
  abort(): void;
}

/**
 * Tells what a file is by its bytes, whatever its name. Memory does not grow with the file: it is that of the
 * decompressor (`limits.ts`) and a few chunks.
 */
export function createInspector(): Inspector {
  return new FileInspector();
}

class FileInspector implements Inspector {
  #head = Buffer.alloc(0);
  #examiner: Examiner | undefined;

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#examiner !== undefined) {
      await this.#examiner.write(chunk);
      return;
    }
    const needed = headLength - this.#head.length;
    const before = this.#head;
    this.#head = Buffer.concat([before, chunk.subarray(0, needed)]);
    if (chunk.length < needed) return;
    const examiner = recognise(this.#head);
    this.#examiner = examiner;
    // What came before, and then the chunk as it came: a decompressor is asked as seldom as can be.
    if (before.length > 0) await examiner.write(before);
    await examiner.write(chunk);
  }

  async end(): Promise<Content> {
    if (this.#head.length === 0) throw new HeadwaterError('invalid', 'the file is empty');
    if (this.#examiner === undefined) {
      this.#examiner = recognise(this.#head);
      await this.#examiner.write(this.#head);
    }
    return await this.#examiner.end();
  }

  abort(): void {
    this.#examiner?.abort?.();
  }
}

/** @param head the first bytes of the file, at least {@link headLength} or all */
function recognise(head: Buffer): Examiner {
  if (isSquashfs(head)) return new SquashfsExaminer(head);
  if (isQcow2(head)) return new Qcow2Examiner(head);
  if (isVcdiff(head)) return new VcdiffExaminer();
  const compression = detectCompression(head);
  if (compression !== 'none' || isTarHeader(head)) return new TarballExaminer(compression);
  throw new HeadwaterError('invalid', describeUnknown(head));
}

function describeUnknown(head: Buffer): string {
  const expected =
    'squashfs, qcow2, a vcdiff delta, or a tar archive, plain or compressed with gzip, xz, zstd or bzip2';
  // The mark at the end of a boot sector (UEFI specification, "Legacy Master Boot Record").
  if (head.length === headLength && head.readUInt16LE(510) === 0xaa55) {
    return 'looks like a raw disk: convert it with qemu-img convert -O qcow2';
  }
  return `no image file (${expected}): it begins with the bytes ${head.toString('hex', 0, 8)}`;
}
