import { HeadwaterError } from '../../errors.ts';

/** Part of an entry of either level: where in the file the cluster is (bits 9 to 55), as halves of 32 bits. */
const offsetHighMask = 0x00ff_ffff;
const offsetLowMask = 0xffff_fe00;
/** Bit 62 of a second-level entry, in its upper half: the cluster is compressed and may begin at any byte. */
const compressedBit = 0x4000_0000;

/** A table that is expected or currently passing. */
interface Region {
  level: 1 | 2;
  start: number;
  end: number;
  /** Its bytes that have passed. */
  bytes?: Buffer;
}

/**
 * Follows the two levels of cluster tables of a qcow2 disk as its bytes pass, to determine the minimum length of the
 * file. Second-level tables before the end of the first-level table are ignored: no known tool writes them there.
 */
export class ClusterTables {
  readonly #clusterBits: number;
  readonly #clusterSize: number;
  readonly #entryLength: number;
  #length = 0;
  #end: number;
  #region: Region | undefined;
  /** The offsets of the second-level tables, in ascending order; and the index of the next one. */
  #secondLevel: Float64Array = new Float64Array(0);
  #next = 0;

  /**
   * @param options.entryLength bytes of a second-level entry: 8, or 16 with extended entries
   * @param options.firstLevelOffset bytes from the beginning of the file
   */
  constructor(options: {
    clusterBits: number;
    entryLength: number;
    firstLevelOffset: number;
    firstLevelEntries: number;
  }) {
    this.#clusterBits = options.clusterBits;
    this.#clusterSize = 2 ** options.clusterBits;
    this.#entryLength = options.entryLength;
    const start = options.firstLevelOffset;
    this.#end = start + options.firstLevelEntries * 8;
    this.#region = { level: 1, start, end: this.#end };
  }

  /** Bytes that have passed. */
  get length(): number {
    return this.#length;
  }

  /** The minimum length of the file, in bytes: it contains whole tables, and at least the beginning of all data. */
  get end(): number {
    return this.#end;
  }

  /** @throws HeadwaterError `invalid` if a table is at an impossible place */
  write(bytes: Uint8Array): void {
    const position = this.#length;
    this.#length += bytes.length;
    for (let region = this.#region; region !== undefined; region = this.#region) {
      if (region.start >= this.#length) return;
      const from = Math.max(region.start, position);
      region.bytes ??= Buffer.alloc(region.end - region.start);
      region.bytes.set(bytes.subarray(from - position, region.end - position), from - region.start);
      if (region.end > this.#length) return;
      if (region.level === 1) this.#readFirstLevel(region.bytes, region.end);
      else this.#readSecondLevel(region.bytes);
      this.#region = this.#nextRegion();
    }
  }

  #readFirstLevel(table: Buffer, tableEnd: number): void {
    const offsets: number[] = [];
    for (let at = 0; at < table.length; at += 8) {
      const offset = clusterOffset(table, at);
      if (offset === 0) continue;
      if (offset % this.#clusterSize !== 0) {
        throw new HeadwaterError(
          'invalid',
          `the qcow2 disk is corrupt: entry ${at / 8} of its first-level table points to byte ${offset}`,
        );
      }
      this.#end = Math.max(this.#end, offset + this.#clusterSize);
      if (offset >= tableEnd) offsets.push(offset);
    }
    this.#secondLevel = Float64Array.from(offsets).sort();
  }

  #readSecondLevel(table: Buffer): void {
    // A compressed cluster's offset has this many bits; the bits above are its length.
    const compressedHighBits = 70 - this.#clusterBits - 32;
    for (let at = 0; at < table.length; at += this.#entryLength) {
      const high = table.readUInt32BE(at);
      const offset =
        (high & compressedBit) === 0
          ? clusterOffset(table, at)
          : (high & (2 ** compressedHighBits - 1)) * 2 ** 32 + table.readUInt32BE(at + 4);
      if (offset >= this.#end) this.#end = offset + 1;
    }
  }

  #nextRegion(): Region | undefined {
    const start = this.#secondLevel[this.#next];
    if (start === undefined) return undefined;
    do this.#next += 1;
    while (this.#secondLevel[this.#next] === start);
    return { level: 2, start, end: start + this.#clusterSize };
  }
}

function clusterOffset(table: Buffer, at: number): number {
  const low = table.readUInt32BE(at + 4) & offsetLowMask;
  return (table.readUInt32BE(at) & offsetHighMask) * 2 ** 32 + (low >>> 0);
}
