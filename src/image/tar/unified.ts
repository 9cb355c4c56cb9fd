import { Channel } from '../../async/channel.ts';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { decompress } from '../compression/compression.ts';
import type { Compression } from '../content.ts';
import { metadataTarballLimit } from '../limits.ts';
import { type EntrySink, type TarEntry, walkTar } from './tar.ts';
import { type PackEntry, packTar } from './tar-pack.ts';

/**
 * Receives the disk of a unified virtual machine image.
 * @param bytes rootfs.img, to be read to its end; it fails when the tarball does
 * @param size the number of these bytes
 */
export type TakeDisk = (bytes: AsyncIterable<Uint8Array>, size: number) => Promise<void>;

/**
 * Splits a unified virtual machine image in one pass: passes its rootfs.img to `takeDisk` and packs all other files as
 * a metadata tarball, in any order of the members. The same image always gives the same two files.
 * @param compression as found by the inspector (`Content`)
 * @param source the unified tarball's bytes, in chunks that are not written to again
 * @returns the metadata tarball, not compressed
 * @throws HeadwaterError `invalid` where the tarball is truncated or corrupt, has no rootfs.img, or has other files of
 * more than {@link metadataTarballLimit} bytes; what `source` and `takeDisk` throw
 */
export async function splitUnified(
  compression: Compression,
  source: AsyncIterable<Uint8Array>,
  takeDisk: TakeDisk,
): Promise<Buffer> {
  const rest = new Rest();
  let disk: Disk | undefined;
  try {
    await walkTar(decompress(compression, source), (entry) => {
      if (entry.name !== 'rootfs.img') return rest.visit(entry);
      if (disk !== undefined) throw new HeadwaterError('invalid', 'rootfs.img is in the tarball twice');
      if (entry.type !== 'file' || entry.sparse) {
        throw new HeadwaterError('invalid', 'rootfs.img is not a plain file in the tarball');
      }
      disk = new Disk(takeDisk, entry.size);
      return disk;
    });
  } catch (error) {
    await disk?.fail(error);
    throw error;
  }
  if (disk === undefined) throw new HeadwaterError('invalid', 'the tarball has no rootfs.img');
  return await packTar(rest.entries);
}

/** rootfs.img on its way from the tarball to its receiver. */
class Disk implements EntrySink {
  readonly #bytes = new Channel();
  readonly #taken: Promise<void>;

  constructor(takeDisk: TakeDisk, size: number) {
    this.#taken = takeDisk(this.#bytes, size).finally(() => this.#bytes.cancel());
    this.#taken.catch(() => undefined);
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#bytes.write(bytes);
    if (this.#bytes.isCancelled) await this.#taken;
  }

  async end(): Promise<void> {
    this.#bytes.end();
    await this.#taken;
  }

  /** Notifies the reader, and waits until it has stopped. */
  async fail(error: unknown): Promise<void> {
    this.#bytes.fail(error);
    await this.#taken.catch(() => undefined);
  }
}

/** All files except rootfs.img, in memory. */
class Rest {
  readonly entries: PackEntry[] = [];
  #size = 0;

  visit({ name, type, size, linkName, mode, mtime }: TarEntry): EntrySink | undefined {
    if (name === '') return undefined;
    if (type !== 'file' && type !== 'directory' && type !== 'symlink' && type !== 'link') {
      throw new HeadwaterError(
        'invalid',
        `${JSON.stringify(name)} is not a file that image metadata can have`,
      );
    }
    // Each entry counts with its header, so that there cannot be endlessly many empty ones.
    this.#size += 512 + size;
    if (this.#size > metadataTarballLimit) {
      throw new HeadwaterError(
        'invalid',
        `the tarball holds more than ${metadataTarballLimit} bytes beside rootfs.img`,
      );
    }
    const entry: PackEntry = { name, type, mode, mtime, ...defined({ linkName }) };
    this.entries.push(entry);
    if (type !== 'file') return undefined;
    const parts: Buffer[] = [];
    return {
      write: (bytes) => void parts.push(Buffer.from(bytes)),
      end: () => {
        entry.bytes = Buffer.concat(parts);
      },
    };
  }
}
