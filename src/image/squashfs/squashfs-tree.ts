import {
  corrupt,
  MetadataStream,
  metadataBlockSize,
  number64,
  type SquashfsTables,
} from './squashfs-blocks.ts';
import type { FileExtents, Stretch } from './squashfs-extents.ts';
import { dataBlock, type Listing, readInode, readListing } from './squashfs-inodes.ts';

/** The values of the superblock; places were checked to be within the file. */
export interface Superblock {
  inodes: number;
  fragments: number;
  ids: number;
  compressor: number;
  blockSize: number;
  /** The place of the root directory's inode in the inode table: a block, and an offset in the unpacked block. */
  root: { block: number; offset: number };
  /** Bytes that the file has without padding. */
  bytesUsed: number;
  /** The places of the tables; undefined for tables that the squashfs does not have. */
  inodeTable: number;
  directoryTable: number;
  idTable: number;
  fragmentTable?: number;
  exportTable?: number;
  xattrTable?: number;
}

/** A file, directory or link in a squashfs. */
export type TreeNode =
  | { type: 'directory'; listing: Listing }
  | { type: 'file'; place: Place; links: number }
  | { type: 'symlink'; target: string }
  | { type: 'device' };

/** The place of an inode in the inode table: a block, and an offset in the unpacked block. */
interface Place {
  block: number;
  offset: number;
}

/** The number of links that are followed for one path, as in Linux. */
const maxLinksFollowed = 40;

/** Finds files by their paths in a squashfs whose tables were checked (`squashfs-check.ts`). */
export class SquashfsTree {
  readonly #superblock: Superblock;
  readonly #tables: SquashfsTables;
  readonly #inodes: { start: number; end: number };
  readonly #directories: { start: number; end: number };

  /** @param end the end of the directory table */
  constructor(superblock: Superblock, tables: SquashfsTables, end: number) {
    this.#superblock = superblock;
    this.#tables = tables;
    this.#inodes = { start: superblock.inodeTable, end: superblock.directoryTable };
    this.#directories = { start: superblock.directoryTable, end };
  }

  /** The top. */
  async root(): Promise<TreeNode> {
    return await this.#node(this.#superblock.root);
  }

  /** The entries of a directory, sorted by name. */
  async *entries(listing: Listing): AsyncGenerator<{ name: string; node: () => Promise<TreeNode> }> {
    if (listing.length === 0) return;
    for await (const { name, ...place } of readListing(this.#tables, listing, this.#directories)) {
      yield { name, node: () => this.#node(place) };
    }
  }

  async entry(listing: Listing, wanted: string): Promise<TreeNode | undefined> {
    for await (const { name, node } of this.entries(listing)) if (name === wanted) return await node();
    return undefined;
  }

  /**
   * Finds a path below a directory, and follows links as if that directory were the root.
   * @returns undefined if nothing is there, or a link is broken
   */
  async find(top: Listing, path: string): Promise<TreeNode | undefined> {
    const pending = path.split('/').reverse();
    const above: Listing[] = [];
    let here: TreeNode = { type: 'directory', listing: top };
    let followed = 0;
    for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
      if (part === '' || part === '.') continue;
      if (here.type !== 'directory') return undefined;
      if (part === '..') {
        here = { type: 'directory', listing: above.pop() ?? top };
        continue;
      }
      const { listing }: { listing: Listing } = here;
      const next = await this.entry(listing, part);
      if (next === undefined) return undefined;
      if (next.type === 'symlink') {
        followed += 1;
        if (followed > maxLinksFollowed) return undefined;
        if (next.target.startsWith('/')) {
          above.length = 0;
          here = { type: 'directory', listing: top };
        }
        pending.push(...next.target.split('/').reverse());
        continue;
      }
      if (next.type === 'directory') above.push(listing);
      here = next;
    }
    return here;
  }

  /** The places of a file's bytes. @param wantedLength the number of bytes that matter, from the beginning */
  async extents({ place }: { place: Place }, wantedLength: number): Promise<FileExtents> {
    const stream = this.#stream(place);
    const head = await stream.take(16);
    const long = head.readUInt16LE(0) === 9;
    const fields = await stream.take(long ? 40 : 16);
    const { blockSize, compressor } = this.#superblock;
    const size = long ? number64(fields, 8) : fields.readUInt32LE(12);
    const fragment = fields.readUInt32LE(long ? 28 : 4);
    const offset = fields.readUInt32LE(long ? 32 : 8);
    const shared = fragment !== 0xffff_ffff;
    const count = shared ? Math.floor(size / blockSize) : Math.ceil(size / blockSize);
    const wanted = Math.min(count, Math.ceil(wantedLength / blockSize));
    let start = long ? number64(fields, 0) : fields.readUInt32LE(0);
    const blocks: Stretch[] = [];
    for (let index = 0; index < wanted; index += 1) {
      const block = dataBlock((await stream.take(4)).readUInt32LE(0));
      blocks.push({ start, ...block });
      start += block.length;
    }
    if (!shared || wanted < count || blocks.length * blockSize >= wantedLength) {
      return { size, blockSize, compressor, blocks };
    }
    return { size, blockSize, compressor, blocks, tail: { ...(await this.#fragment(fragment)), offset } };
  }

  async #fragment(index: number): Promise<Stretch> {
    const table = this.#superblock.fragmentTable;
    if (table === undefined) throw corrupt('its fragment table is missing');
    const each = metadataBlockSize / 16;
    const list = this.#tables.raw('fragment', table + Math.floor(index / each) * 8, 8);
    const { bytes } = await this.#tables.block('fragment', number64(list, 0));
    const at = (index % each) * 16;
    if (bytes.length < at + 16) throw corrupt('its fragment table ends early');
    return { start: number64(bytes, at), ...dataBlock(bytes.readUInt32LE(at + 8)) };
  }

  async #node(place: Place): Promise<TreeNode> {
    const type = (await this.#stream(place).take(16)).readUInt16LE(0);
    if (type === 1 || type === 8) return { type: 'directory', listing: await this.#listing(place) };
    if (type === 2 || type === 9) return { type: 'file', place, links: await this.#links(place, type === 9) };
    if (type === 3 || type === 10) {
      const stream = this.#stream(place);
      await stream.take(16);
      const length = (await stream.take(8)).readUInt32LE(4);
      if (length > metadataBlockSize) throw corrupt('a symbolic link of it is longer than links can be');
      return { type: 'symlink', target: (await stream.take(length)).toString() };
    }
    return { type: 'device' };
  }

  async #links(place: Place, long: boolean): Promise<number> {
    if (!long) return 1;
    const stream = this.#stream(place);
    await stream.take(16);
    return (await stream.take(40)).readUInt32LE(24);
  }

  async #listing(place: Place): Promise<Listing> {
    let listing: Listing | undefined;
    await readInode(this.#stream(place), this.#superblock.blockSize, {
      data: () => undefined,
      listing: (read) => {
        listing = read;
      },
      fragment: () => undefined,
    });
    if (listing === undefined) throw corrupt('a directory of it has no listing');
    return listing;
  }

  #stream({ block, offset }: Place): MetadataStream {
    const place = { block: this.#inodes.start + block, offset, end: this.#inodes.end };
    return new MetadataStream(this.#tables, 'inode', place);
  }
}
