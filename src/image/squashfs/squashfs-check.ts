import type { ZeroPages } from '../compression/zero-pages.ts';
import { describeTop, namesInMessage } from '../tar/rootfs.ts';
import {
  corrupt,
  MetadataStream,
  metadataBlockSize,
  number64,
  refuse,
  type SquashfsTables,
} from './squashfs-blocks.ts';
import { dataBlock, type Listing, readInode } from './squashfs-inodes.ts';
import { isRoot } from './squashfs-look.ts';
import { SquashfsTree, type Superblock } from './squashfs-tree.ts';

interface Table {
  start: number;
  end: number;
}

/**
 * Reads all tables at the end of a squashfs, and checks that it contains what they name: every block of data, every
 * directory's listing, and at its root the directories of a root filesystem. Data is not unpacked: `zeros` shows where
 * no data can be.
 * @returns its files by their paths
 * @throws HeadwaterError `invalid`; CannotUnpack
 */
export async function checkSquashfs(
  superblock: Superblock,
  tables: SquashfsTables,
  zeros: ZeroPages,
): Promise<SquashfsTree> {
  const assertData = (start: number, length: number, packed: boolean) => {
    if (start < superblockLength || start + length > tables.start) {
      throw corrupt(
        `the data of a file is given as bytes ${start} to ${start + length}, outside of its data`,
      );
    }
    const page = packed ? zeros.within(start, start + length) : undefined;
    if (page !== undefined) {
      throw refuse(`is damaged: at byte ${page}, where the data of a file should be, are only zeros`);
    }
  };
  const end = await checkListed(superblock, tables, assertData);
  if (superblock.directoryTable <= superblock.inodeTable || superblock.directoryTable > end) {
    throw corrupt('its tables are not in their order');
  }
  const inodes = { start: superblock.inodeTable, end: superblock.directoryTable };
  const lengths = await unpackedLengths(tables, { start: superblock.directoryTable, end });
  const stream = new MetadataStream(tables, 'inode', { block: inodes.start, end: inodes.end });
  for (let count = superblock.inodes; count > 0; count -= 1) {
    await readInode(stream, superblock.blockSize, {
      data: assertData,
      listing: (listing) => assertListing(listing, lengths),
      fragment: (index) => {
        if (index >= superblock.fragments)
          throw corrupt(`a file of it ends in fragment ${index}, which it lacks`);
      },
    });
  }
  const tree = new SquashfsTree(superblock, tables, end);
  await assertRoot(tree);
  return tree;
}

/** Bytes of the superblock, which is at the beginning. */
export const superblockLength = 96;

/**
 * Checks the tables whose places are in lists. @returns the beginning of the first one: the end of the directory table
 */
async function checkListed(
  superblock: Superblock,
  tables: SquashfsTables,
  assertData: (start: number, length: number, packed: boolean) => void,
): Promise<number> {
  const { idTable, fragmentTable, exportTable, xattrTable } = superblock;
  const begins: number[] = [];
  const listed = (name: string, index: number, count: number, size: number) => {
    begins.push(index, number64(tables.raw(name, index, 8), 0));
    return tables.listed(name, index, { count, size });
  };
  if (superblock.ids === 0) throw corrupt('it has no owners of files');
  for await (const _ of listed('id', idTable, superblock.ids, 4));
  if (exportTable !== undefined) for await (const _ of listed('export', exportTable, superblock.inodes, 8));
  if (fragmentTable !== undefined && superblock.fragments > 0) {
    for await (const block of listed('fragment', fragmentTable, superblock.fragments, 16)) {
      for (let at = 0; at < block.length; at += 16) {
        const { length, packed } = dataBlock(block.readUInt32LE(at + 8));
        assertData(number64(block, at), length, packed);
      }
    }
  } else if (superblock.fragments > 0) throw corrupt('its fragment table is missing');
  if (xattrTable !== undefined) {
    const head = tables.raw('xattr', xattrTable, 16);
    const [start, count] = [number64(head, 0), head.readUInt32LE(8)];
    if (count > 0) {
      const first = number64(tables.raw('xattr', xattrTable + 16, 8), 0);
      await unpackedLengths(tables, { start, end: first }, 'xattr');
      begins.push(start);
      for await (const _ of listed('xattr', xattrTable + 16, count, 16));
    }
  }
  return Math.min(...begins);
}

/** Bytes unpacked of each block of a table and all after it, by where the block is in the table. */
async function unpackedLengths(
  tables: SquashfsTables,
  table: Table,
  name = 'directory',
): Promise<Map<number, number>> {
  const blocks: [number, number][] = [];
  for (let at = table.start; at < table.end; ) {
    const { bytes, next } = await tables.block(name, at);
    blocks.push([at - table.start, bytes.length]);
    at = next;
  }
  let sum = 0;
  return new Map(
    blocks.reverse().map(([place, length]) => {
      sum += length;
      return [place, sum];
    }),
  );
}

function assertListing({ block, offset, length }: Listing, lengths: Map<number, number>): void {
  if (length === 0) return;
  const available = lengths.get(block);
  if (available === undefined || offset >= metadataBlockSize || offset + length > available) {
    throw corrupt('a directory of it is outside of its directory table');
  }
}

/** A root filesystem is at the top, or in rootfs/ of a unified image. */
async function assertRoot(tree: SquashfsTree): Promise<void> {
  const top = await tree.root();
  if (top.type !== 'directory') throw corrupt('its root is not a directory');
  if ((await tree.entry(top.listing, 'metadata.yaml')) !== undefined) return;
  if (await isRoot(tree, top.listing)) return;
  const names: string[] = [];
  for await (const { name } of tree.entries(top.listing)) {
    if (names.push(name) > namesInMessage) break;
  }
  throw refuse(`holds no root filesystem: ${describeTop(names)}`);
}
