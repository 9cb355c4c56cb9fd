// A squashfs of a few files, written without mksquashfs, which a fresh machine lacks. The format is Linux's
// (Documentation/filesystems/squashfs.rst; fs/squashfs/squashfs_fs.h). Nothing is compressed.

/** The largest: the inode of a file names each of its blocks, and all inodes go into one block of metadata. */
const blockSize = 1024 * 1024;
const metadataLimit = 8192;
const superblockLength = 96;
const absent = 0xffff_ffff_ffff_ffffn;
/** In the size of a block: it is stored uncompressed. */
const [uncompressedBlock, uncompressedMetadata] = [1 << 24, 0x8000];
const types = { directory: 1, file: 2 } as const;

interface Tree {
  [name: string]: Tree | Uint8Array;
}

interface Written {
  type: (typeof types)[keyof typeof types];
  /** Of its inode: its number, and where it begins in the inode table. */
  number: number;
  offset: number;
}

/**
 * Packs files as a squashfs. The same files always give the same bytes.
 * @param files by their paths, such as `etc/os-release`; a path with a slash at its end is an empty directory
 */
export function packSquashfs(files: Record<string, Uint8Array | string>): Buffer {
  const tree: Tree = {};
  for (const [path, content] of Object.entries(files)) add(tree, path.split('/'), Buffer.from(content));
  const writer = new Writer();
  const root = writer.directory(tree, count(tree) + 2);
  return writer.finish(root);
}

function add(tree: Tree, [name = '', ...rest]: string[], content: Uint8Array): void {
  if (name === '') return;
  if (rest.length === 0) {
    tree[name] = content;
    return;
  }
  const below = tree[name] ?? {};
  if (below instanceof Uint8Array) throw new Error(`${name} is a file and a directory`);
  tree[name] = below;
  add(below, rest, content);
}

function count(tree: Tree): number {
  return Object.values(tree).reduce(
    (sum, node) => sum + (node instanceof Uint8Array ? 1 : count(node) + 1),
    0,
  );
}

class Writer {
  readonly #data: Uint8Array[] = [];
  #dataLength = superblockLength;
  #inodes = Buffer.alloc(0);
  #directories = Buffer.alloc(0);
  #made = 0;

  /** @param parent the number of the inode above: one more than there are for the root */
  directory(tree: Tree, parent: number): Written {
    const entries = Object.entries(tree).sort(([one], [other]) =>
      Buffer.compare(Buffer.from(one), Buffer.from(other)),
    );
    // What is in a directory comes before it.
    const number = this.#made + count(tree) + 1;
    const written = entries.map(([name, node]) => ({
      name,
      ...(node instanceof Uint8Array ? this.#file(node) : this.directory(node, number)),
    }));
    const offset = this.#directories.length;
    const listing = list(written);
    this.#directories = Buffer.concat([this.#directories, listing]);
    const inode = this.#header(types.directory, 0o755, 16);
    inode.writeUInt32LE(0, 16);
    inode.writeUInt32LE(2 + written.filter(({ type }) => type === types.directory).length, 20);
    inode.writeUInt16LE(listing.length + 3, 24);
    inode.writeUInt16LE(offset, 26);
    inode.writeUInt32LE(parent, 28);
    return this.#append(types.directory, inode);
  }

  #file(content: Uint8Array): Written {
    const start = this.#dataLength;
    const blocks = Math.ceil(content.length / blockSize);
    const inode = this.#header(types.file, 0o644, 16 + 4 * blocks);
    inode.writeUInt32LE(start, 16);
    inode.writeUInt32LE(0xffff_ffff, 20);
    inode.writeUInt32LE(content.length, 28);
    for (let block = 0; block < blocks; block++) {
      const length = Math.min(blockSize, content.length - block * blockSize);
      inode.writeUInt32LE(length | uncompressedBlock, 32 + 4 * block);
    }
    this.#data.push(content);
    this.#dataLength += content.length;
    return this.#append(types.file, inode);
  }

  #header(type: number, mode: number, more: number): Buffer {
    const inode = Buffer.alloc(16 + more);
    inode.writeUInt16LE(type, 0);
    inode.writeUInt16LE(mode, 2);
    this.#made += 1;
    inode.writeUInt32LE(this.#made, 12);
    return inode;
  }

  #append(type: Written['type'], inode: Buffer): Written {
    const written = { type, number: inode.readUInt32LE(12), offset: this.#inodes.length };
    this.#inodes = Buffer.concat([this.#inodes, inode]);
    return written;
  }

  finish(root: Written): Buffer {
    const inodeTable = this.#dataLength;
    const inodes = metadataBlock(this.#inodes);
    const directories = metadataBlock(this.#directories);
    const ids = metadataBlock(Buffer.alloc(4));
    const directoryTable = inodeTable + inodes.length;
    const idBlock = directoryTable + directories.length;
    const idTable = idBlock + ids.length;
    const pointer = Buffer.alloc(8);
    pointer.writeBigUInt64LE(BigInt(idBlock));

    const superblock = Buffer.alloc(superblockLength);
    superblock.write('hsqs', 0, 'latin1');
    superblock.writeUInt32LE(this.#made, 4);
    superblock.writeUInt32LE(blockSize, 12);
    superblock.writeUInt16LE(1, 20);
    superblock.writeUInt16LE(Math.log2(blockSize), 22);
    // Inodes, data, ids uncompressed; no fragments; no extended attributes.
    superblock.writeUInt16LE(0x1 | 0x2 | 0x10 | 0x200 | 0x800, 24);
    superblock.writeUInt16LE(1, 26);
    superblock.writeUInt16LE(4, 28);
    superblock.writeBigUInt64LE(BigInt(root.offset), 32);
    superblock.writeBigUInt64LE(BigInt(idTable + pointer.length), 40);
    superblock.writeBigUInt64LE(BigInt(idTable), 48);
    superblock.writeBigUInt64LE(absent, 56);
    superblock.writeBigUInt64LE(BigInt(inodeTable), 64);
    superblock.writeBigUInt64LE(BigInt(directoryTable), 72);
    superblock.writeBigUInt64LE(absent, 80);
    superblock.writeBigUInt64LE(absent, 88);
    const image = Buffer.concat([superblock, ...this.#data, inodes, directories, ids, pointer]);
    // Block devices end at whole sectors.
    return Buffer.concat([image, Buffer.alloc(-image.length & 4095)]);
  }
}

/** The listing of a directory: one header, since all inodes are in one block of metadata. */
function list(entries: (Written & { name: string })[]): Buffer {
  if (entries.length === 0) return Buffer.alloc(0);
  const base = Math.min(...entries.map(({ number }) => number));
  const header = Buffer.alloc(12);
  header.writeUInt32LE(entries.length - 1, 0);
  header.writeUInt32LE(base, 8);
  const lines = entries.map(({ name, type, number, offset }) => {
    const entry = Buffer.alloc(8);
    entry.writeUInt16LE(offset, 0);
    entry.writeInt16LE(number - base, 2);
    entry.writeUInt16LE(type, 4);
    entry.writeUInt16LE(Buffer.byteLength(name) - 1, 6);
    return Buffer.concat([entry, Buffer.from(name)]);
  });
  return Buffer.concat([header, ...lines]);
}

function metadataBlock(bytes: Buffer): Buffer {
  if (bytes.length > metadataLimit) throw new Error('more files than one block of metadata holds');
  const header = Buffer.alloc(2);
  header.writeUInt16LE(bytes.length | uncompressedMetadata);
  return Buffer.concat([header, bytes]);
}
