import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { crc32, inflate as inflateLater, inflateSync } from 'node:zlib';
import binding, { type DCtx } from 'zstd-napi/binding.js';
import { HeadwaterError, messageOf } from '../../errors.ts';
import { unxz } from '../compression/xz/xz.ts';

/**
 * The size of an unpacked block of metadata, in bytes, and the largest of a packed one (Linux,
 * fs/squashfs/squashfs_fs.h).
 */
export const metadataBlockSize = 8192;
/** In the two bytes before a block: it is stored as it is. */
const storedBit = 0x8000;

/** The largest unpacked metadata of a squashfs, in bytes: some four million files. */
const unpackedMetadataLimit = 256 * 1024 * 1024;

/** After this many unpacked bytes, other work of the same thread may run. */
const turnSize = 1024 * 1024;

/** @param maxLength the largest unpacked size, in bytes */
type Unpack = (packed: Buffer, maxLength: number) => Buffer | Promise<Buffer>;

/** By their numbers in the superblock; for lzma (2), lzo (3) and lz4 (5), Headwater has no library. */
const unpackers: Record<number, Unpack> = { 1: inflate, 4: unpackXz, 6: unpackZstd };

/** The blocks are packed in a way that Headwater cannot unpack; this is not a fault of the file. */
export class CannotUnpack extends Error {}

/** The end of a squashfs, which contains its tables. All places are bytes from the beginning of the file. */
export class SquashfsTables {
  readonly #bytes: Buffer;
  readonly #unpack: Unpack | undefined;
  readonly #onProgress: () => void;
  #left = unpackedMetadataLimit;
  readonly start: number;
  readonly end: number;

  constructor(bytes: Buffer, options: { start: number; compressor: number; onProgress: () => void }) {
    this.#onProgress = options.onProgress;
    this.#bytes = bytes;
    this.#unpack = unpackers[options.compressor];
    this.start = options.start;
    this.end = options.start + bytes.length;
  }

  /** Bytes without unpacking. @throws HeadwaterError `invalid` if they are not between the first table and the end */
  raw(name: string, start: number, length: number): Buffer {
    if (start < this.start || start + length > this.end) throw corrupt(`its ${name} table is outside of it`);
    return this.#bytes.subarray(start - this.start, start - this.start + length);
  }

  /**
   * A block of metadata, unpacked, and where the next one begins.
   * @throws HeadwaterError `invalid`; CannotUnpack
   */
  async block(name: string, start: number): Promise<{ bytes: Buffer; next: number }> {
    this.#onProgress();
    const header = this.raw(name, start, 2).readUInt16LE(0);
    const length = header & ~storedBit;
    if (length === 0 || length > metadataBlockSize) {
      throw corrupt(`a block of its ${name} table is given as ${length} bytes`);
    }
    const packed = this.raw(name, start + 2, length);
    const bytes = (header & storedBit) === 0 ? await this.#unpacked(name, packed) : packed;
    if (this.#left % turnSize < bytes.length) await setImmediate();
    this.#left -= bytes.length;
    if (this.#left < 0) {
      throw refuse(`has tables of more than ${unpackedMetadataLimit} bytes, which no root filesystem has`);
    }
    return { bytes, next: start + 2 + length };
  }

  /**
   * The blocks of a table whose places are in a list: a table with so many entries of so many bytes.
   * @param index the place of that list
   */
  async *listed(
    name: string,
    index: number,
    entries: { count: number; size: number },
  ): AsyncGenerator<Buffer> {
    const length = entries.count * entries.size;
    const places = this.raw(name, index, Math.ceil(length / metadataBlockSize) * 8);
    for (let at = 0; at < places.length; at += 8) {
      const wanted = Math.min(metadataBlockSize, length - (at / 8) * metadataBlockSize);
      const { bytes } = await this.block(name, number64(places, at));
      if (bytes.length < wanted) throw corrupt(`its ${name} table ends early`);
      yield bytes.subarray(0, wanted);
    }
  }

  async #unpacked(name: string, packed: Buffer): Promise<Buffer> {
    if (this.#unpack === undefined) throw new CannotUnpack();
    try {
      return await this.#unpack(packed, metadataBlockSize);
    } catch (error) {
      if (error instanceof CannotUnpack) throw error;
      throw corrupt(`its ${name} table cannot be unpacked: ${messageOf(error)}`, error);
    }
  }
}

/** Reads metadata across its blocks. */
export class MetadataStream {
  readonly #tables: SquashfsTables;
  readonly #name: string;
  readonly #end: number;
  #next: number;
  #skip: number;
  #rest: Buffer = Buffer.alloc(0);

  /** @param place its beginning: a block, and an offset in the unpacked block. @param place.end of the table */
  constructor(tables: SquashfsTables, name: string, place: { block: number; offset?: number; end: number }) {
    this.#tables = tables;
    this.#name = name;
    this.#next = place.block;
    this.#skip = place.offset ?? 0;
    this.#end = place.end;
  }

  /** The next bytes, at most {@link metadataBlockSize}. @throws HeadwaterError `invalid` when there are no more */
  async take(length: number): Promise<Buffer> {
    while (this.#rest.length < length) await this.#fill();
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }

  async #fill(): Promise<void> {
    if (this.#next >= this.#end) throw corrupt(`its ${this.#name} table ends early`);
    const { bytes, next } = await this.#tables.block(this.#name, this.#next);
    if (this.#skip >= bytes.length) {
      throw corrupt(`its ${this.#name} table has ${bytes.length} bytes where byte ${this.#skip} is meant`);
    }
    const fresh = bytes.subarray(this.#skip);
    this.#skip = 0;
    this.#rest = this.#rest.length === 0 ? fresh : Buffer.concat([this.#rest, fresh]);
    this.#next = next;
  }
}

/** Converts to a number: large values lose precision, but keep their order. */
export function number64(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

export function corrupt(what: string, cause?: unknown): HeadwaterError {
  return refuse(`is corrupt: ${what}`, cause);
}

export function refuse(what: string, cause?: unknown): HeadwaterError {
  return new HeadwaterError('invalid', `the squashfs ${what}`, { cause });
}

/** The xz library takes one stream at a time in a thread. */
let unpacking: Promise<unknown> = Promise.resolve();

/**
 * Unpacks a block of data, after the previous ones. @param maxLength the largest size of a block, in bytes
 * @throws HeadwaterError `invalid`; CannotUnpack
 */
export async function unpackData(compressor: number, packed: Buffer, maxLength: number): Promise<Buffer> {
  const unpack = unpackers[compressor];
  if (unpack === undefined) throw new CannotUnpack();
  const unpacked = unpacking.then(() => unpack(packed, maxLength));
  unpacking = unpacked.catch(() => undefined);
  try {
    return await unpacked;
  } catch (error) {
    if (error instanceof CannotUnpack) throw error;
    throw corrupt(`a file of it cannot be unpacked: ${messageOf(error)}`, error);
  }
}

/** One decoder for all blocks: V8 does not count its memory, so it would not collect decoders in time. */
let zstdContext: DCtx | undefined;

async function inflate(packed: Buffer, maxLength: number): Promise<Buffer> {
  if (maxLength === metadataBlockSize) return inflateSync(packed, { maxOutputLength: maxLength });
  return await promisify(inflateLater)(packed, { maxOutputLength: maxLength });
}

function unpackZstd(packed: Buffer, maxLength: number): Buffer {
  zstdContext ??= new binding.DCtx();
  const bytes = Buffer.alloc(maxLength);
  return bytes.subarray(0, zstdContext.decompress(bytes, packed));
}

async function unpackXz(packed: Buffer, maxLength: number): Promise<Buffer> {
  if (hasFilters(packed)) throw new CannotUnpack();
  const source = async function* () {
    yield packed;
  };
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of unxz(source())) {
    parts.push(part);
    length += part.length;
    if (length > maxLength) throw new Error(`it is more than ${maxLength} bytes`);
  }
  return Buffer.concat(parts);
}

/**
 * Whether xz data has more than one filter (mksquashfs -Xbcj), which the library does not support, according to the
 * header of its first block (The .xz File Format, section 3.1), which has a checksum of its own.
 */
function hasFilters(packed: Buffer): boolean {
  const [at, flags] = [12, 13];
  const end = at + (packed[at] ?? 0) * 4;
  if (packed.length < end + 4 || crc32(packed.subarray(at, end)) !== packed.readUInt32LE(end)) return false;
  return ((packed[flags] ?? 0) & 3) !== 0;
}
