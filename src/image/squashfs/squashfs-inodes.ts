import {
  corrupt,
  MetadataStream,
  metadataBlockSize,
  number64,
  type SquashfsTables,
} from './squashfs-blocks.ts';

// The inodes as Linux has them (fs/squashfs/squashfs_fs.h); all numbers are little-endian.

/** The place of a listing in the directory table: a block, an offset in the unpacked block, and its length. */
export interface Listing {
  block: number;
  offset: number;
  length: number;
}

/** Receives what inodes name. Places are bytes from the beginning of the file. */
export interface InodeVisitor {
  /** A block of a file's data, as it is stored. */
  data(start: number, length: number, packed: boolean): void;
  listing(listing: Listing): void;
  /** The fragment block that contains the end of a file. */
  fragment(index: number): void;
}

const headLength = 16;
const noFragment = 0xffff_ffff;

/** Bytes after the head of inodes that name nothing: devices, pipes and sockets, and the same with attributes. */
const plainLengths: Record<number, number> = { 4: 8, 5: 8, 6: 4, 7: 4, 11: 12, 12: 12, 13: 8, 14: 8 };

/** In a list of a file's blocks: the block is stored as it is. */
const storedBit = 0x100_0000;

/** Decodes a number in a list of blocks: the stored bytes, and whether they are packed. */
export function dataBlock(entry: number): { length: number; packed: boolean } {
  return { length: entry & (storedBit - 1), packed: (entry & storedBit) === 0 };
}

/** Reads one inode, and reports what it names. @throws HeadwaterError `invalid` */
export async function readInode(
  stream: MetadataStream,
  blockSize: number,
  visitor: InodeVisitor,
): Promise<void> {
  const type = (await stream.take(headLength)).readUInt16LE(0);
  const plain = plainLengths[type];
  if (plain !== undefined) await stream.take(plain);
  else if (type === 1) visitor.listing(shortDirectory(await stream.take(16)));
  else if (type === 8) visitor.listing(await longDirectory(stream));
  else if (type === 2 || type === 9) await readFile(stream, type === 9, blockSize, visitor);
  else if (type === 3 || type === 10) await skipLink(stream, type === 10);
  else throw corrupt(`an inode is of the unknown type ${type}`);
}

/** The names in a directory, with the places of their inodes. @throws HeadwaterError `invalid` */
export async function* readListing(
  tables: SquashfsTables,
  listing: Listing,
  table: { start: number; end: number },
): AsyncGenerator<{ name: string; block: number; offset: number }> {
  const place = { block: table.start + listing.block, offset: listing.offset, end: table.end };
  const stream = new MetadataStream(tables, 'directory', place);
  for (let left = listing.length; left > 0; ) {
    const head = await stream.take(12);
    const block = head.readUInt32LE(4);
    left -= 12;
    for (let count = head.readUInt32LE(0) + 1; count > 0; count -= 1) {
      const entry = await stream.take(8);
      const length = entry.readUInt16LE(6) + 1;
      if (length > 256) throw corrupt('a name in it is longer than names can be');
      const offset = entry.readUInt16LE(0);
      yield { name: (await stream.take(length)).toString(), block, offset };
      left -= 8 + length;
      if (left < 0) throw corrupt('a directory of it is longer than it says');
    }
  }
}

function shortDirectory(fields: Buffer): Listing {
  return listingOf(fields.readUInt32LE(0), fields.readUInt16LE(10), fields.readUInt16LE(8));
}

async function longDirectory(stream: MetadataStream): Promise<Listing> {
  const fields = await stream.take(24);
  // The index of a large directory, for faster lookups: one part for each of its blocks.
  for (let parts = fields.readUInt16LE(16); parts > 0; parts -= 1) {
    const length = (await stream.take(12)).readUInt32LE(8) + 1;
    if (length > 256) throw corrupt('a name in it is longer than names can be');
    await stream.take(length);
  }
  return listingOf(fields.readUInt32LE(8), fields.readUInt16LE(18), fields.readUInt32LE(4));
}

/** @param size as inodes have it: 3 more than there are bytes, for `.` and `..` */
function listingOf(block: number, offset: number, size: number): Listing {
  return { block, offset, length: Math.max(0, size - 3) };
}

async function readFile(
  stream: MetadataStream,
  long: boolean,
  blockSize: number,
  visitor: InodeVisitor,
): Promise<void> {
  const fields = await stream.take(long ? 40 : 16);
  const size = long ? number64(fields, 8) : fields.readUInt32LE(12);
  const fragment = fields.readUInt32LE(long ? 28 : 4);
  let place = long ? number64(fields, 0) : fields.readUInt32LE(0);
  if (fragment !== noFragment) visitor.fragment(fragment);
  const blocks = fragment === noFragment ? Math.ceil(size / blockSize) : Math.floor(size / blockSize);
  for (let left = blocks; left > 0; ) {
    // A list may be larger than memory: for a file with holes, its length depends only on the claimed size.
    const entries = await stream.take(Math.min(left * 4, metadataBlockSize));
    for (let at = 0; at < entries.length; at += 4) {
      const { length, packed } = dataBlock(entries.readUInt32LE(at));
      if (length > blockSize) throw corrupt(`a block of ${length} bytes is larger than its blocks are`);
      // A block of zeros only is not stored.
      if (length > 0) visitor.data(place, length, packed);
      place += length;
    }
    left -= entries.length / 4;
  }
}

async function skipLink(stream: MetadataStream, long: boolean): Promise<void> {
  const length = (await stream.take(8)).readUInt32LE(4);
  if (length > metadataBlockSize) throw corrupt('a symbolic link of it is longer than links can be');
  await stream.take(length);
  if (long) await stream.take(4);
}
