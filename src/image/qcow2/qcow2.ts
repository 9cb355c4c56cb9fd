import { HeadwaterError } from '../../errors.ts';
import type { Content } from '../content.ts';
import type { FormatInspector } from '../format-inspector.ts';
import { ClusterTables } from './qcow2-tables.ts';

// Names and offsets are those of QEMU's docs/interop/qcow2.txt; all numbers are big-endian.

/** Bytes of a header, without its extensions. */
export const qcow2HeadLength = 104;

/** QEMU's own limits: 32 MiB of first-level table, and 8 MiB of refcount table. */
const maxFirstLevelEntries = 4 * 1024 * 1024;
const maxRefcountTableBytes = 8 * 1024 * 1024;

/** Incompatible features (header of version 3). */
const corruptBit = 2;
const externalDataBit = 4;
const compressionTypeBit = 8;
const extendedEntriesBit = 16;
const knownFeatures = 1 | corruptBit | externalDataBit | compressionTypeBit | extendedEntriesBit;

/**
 * Checks the header and the tables of a qcow2 disk, and that the file contains everything that they name. Reads only
 * the tables, about 64 KiB for each 512 MiB of disk.
 */
export class Qcow2Inspector implements FormatInspector {
  readonly #virtualSize: number;
  readonly #refcountTableEnd: number;
  readonly #tables: ClusterTables;

  /**
   * @param head at least {@link qcow2HeadLength} bytes, or the whole file
   * @throws HeadwaterError `invalid`, with the fault of the header
   */
  constructor(head: Buffer) {
    const version = head.length < 8 ? 0 : head.readUInt32BE(4);
    if (head.length < (version === 2 ? 72 : qcow2HeadLength))
      throw refuse('is truncated: its header is not whole');
    if (version !== 2 && version !== 3) throw refuse(`has version ${version}: only 2 and 3 can be used`);
    if (number64(head, 8) !== 0) {
      throw refuse(
        'has a backing file, which is a file of the machine that it was made on: convert it with qemu-img convert -O qcow2',
      );
    }
    const features = version === 2 ? 0 : number64(head, 72);
    assertFeatures(features);
    if (head.readUInt32BE(32) !== 0) throw refuse('is encrypted: images are not');
    const clusterBits = head.readUInt32BE(20);
    if (clusterBits < 9 || clusterBits > 21)
      throw refuse(`is corrupt: it has clusters of 2^${clusterBits} bytes`);
    const clusterSize = 2 ** clusterBits;

    this.#virtualSize = number64(head, 24);
    if (this.#virtualSize === 0) throw refuse('is empty: its virtual size is 0');
    const entryLength = (features & extendedEntriesBit) === 0 ? 8 : 16;
    const firstLevelEntries = head.readUInt32BE(36);
    const needed = Math.ceil(this.#virtualSize / (clusterSize * (clusterSize / entryLength)));
    if (firstLevelEntries < needed || firstLevelEntries > maxFirstLevelEntries) {
      throw refuse(
        `is corrupt: its first-level table has ${firstLevelEntries} entries and should have ${needed}`,
      );
    }
    const refcountTableBytes = head.readUInt32BE(56) * clusterSize;
    if (refcountTableBytes === 0 || refcountTableBytes > maxRefcountTableBytes) {
      throw refuse(`is corrupt: its refcount table has ${refcountTableBytes} bytes`);
    }
    this.#refcountTableEnd = tableOffset(head, 48, clusterSize, 'refcount') + refcountTableBytes;
    this.#tables = new ClusterTables({
      clusterBits,
      entryLength,
      firstLevelOffset: tableOffset(head, 40, clusterSize, 'first-level'),
      firstLevelEntries,
    });
  }

  write(bytes: Uint8Array): void {
    this.#tables.write(bytes);
  }

  end(): Content {
    const length = this.#tables.length;
    const needed = Math.max(this.#refcountTableEnd, this.#tables.end);
    if (length < needed)
      throw refuse(`is truncated: it has ${length} bytes and should have at least ${needed}`);
    return { kind: 'qcow2', compression: 'none', virtualSize: this.#virtualSize };
  }
}

function assertFeatures(features: number): void {
  if (features > knownFeatures) throw refuse('uses features that are not known');
  if ((features & corruptBit) !== 0)
    throw refuse('is marked as corrupt: repair it with qemu-img check -r all');
  if ((features & externalDataBit) !== 0) {
    throw refuse('keeps its data in another file: convert it with qemu-img convert -O qcow2');
  }
}

function tableOffset(head: Buffer, at: number, clusterSize: number, name: string): number {
  const offset = number64(head, at);
  if (offset < clusterSize || offset % clusterSize !== 0) {
    throw refuse(`is corrupt: its ${name} table begins at byte ${offset}`);
  }
  return offset;
}

function number64(head: Buffer, at: number): number {
  const value = head.readBigUInt64BE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    throw refuse(`is corrupt: byte ${at} of its header says ${value}`);
  return Number(value);
}

function refuse(what: string): HeadwaterError {
  return new HeadwaterError('invalid', `the qcow2 disk ${what}`);
}
