import { posix } from 'node:path';
import { HeadwaterError } from '../../errors.ts';
import type { Architecture } from '../../model/architecture.ts';
import { defined } from '../../model/defined.ts';
import type { Content } from '../content.ts';
import { metadataYamlLimit } from '../limits.ts';
import { readMetadataFile } from '../metadata/metadata.ts';
import { decodeMetadata } from '../metadata/metadata-text.ts';
import { templateFault } from '../metadata/template-fault.ts';
import { architectureOfProgram, elfHeaderLength } from '../tar/elf.ts';
import type { Member } from '../tar/member.ts';
import { MemberRules } from '../tar/member-rules.ts';
import { isRootFilesystem, rootFolders, wellKnownPrograms } from '../tar/rootfs.ts';
import { corrupt, refuse, unpackData } from './squashfs-blocks.ts';
import type { FileExtents, SquashfsLook, Stretch } from './squashfs-extents.ts';
import type { Listing } from './squashfs-inodes.ts';
import type { SquashfsTree, TreeNode } from './squashfs-tree.ts';

/** The number of files outside of the root filesystem of a unified image that are examined. */
const membersLimit = 20_000;
/** The nesting of directories there. */
const depthLimit = 16;

/** Reads bytes of the examined file. */
export type ReadRange = (start: number, length: number) => Promise<Buffer>;

/** Examines a squashfs: a root filesystem, or a unified image (metadata.yaml, rootfs/, templates/). */
export async function lookAtSquashfs(tree: SquashfsTree): Promise<SquashfsLook> {
  const top = await tree.root();
  if (top.type !== 'directory') throw corrupt('its root is not a directory');
  const metadata = await tree.entry(top.listing, 'metadata.yaml');
  const rootfs = await tree.entry(top.listing, 'rootfs');
  if (metadata === undefined) return await lookAtRoot(tree, top.listing);
  if (rootfs === undefined) {
    if (await isRoot(tree, top.listing)) return await lookAtRoot(tree, top.listing);
    throw refuse(
      'holds metadata.yaml without rootfs/: pack the whole image, or a virtual machine as a tarball',
    );
  }
  if (metadata.type !== 'file')
    throw refuse('has a metadata.yaml that is not a plain file (rule metadata-link)');
  const members = await membersOf(tree, top.listing);
  const extents = await tree.extents(metadata, metadataYamlLimit + 1);
  if (extents.size > metadataYamlLimit) {
    throw refuse(`has a metadata.yaml of ${extents.size} bytes: at most ${metadataYamlLimit} are allowed`);
  }
  const root = rootfs.type === 'directory' ? await lookAtRoot(tree, rootfs.listing) : {};
  return { unified: { metadata: extents, members }, ...root };
}

/** The content of a squashfs, with the bytes that its tables named. @throws HeadwaterError `invalid` */
export async function completeSquashfs(look: SquashfsLook, read: ReadRange): Promise<Content> {
  const programs = look.program === undefined ? undefined : await architectureOf(look.program, read);
  const machine = defined({ programs });
  if (look.unified === undefined) return { kind: 'squashfs', compression: 'none', ...machine };
  const text = decodeMetadata(await readExtents(look.unified.metadata, read));
  const { metadata, templates } = readMetadataFile(text);
  const rules = new MemberRules();
  for (const member of look.unified.members) rules.visit(member);
  const violations = rules.violations(templates);
  const fault = templateFault(templates, rules);
  if (fault !== undefined) throw new HeadwaterError('invalid', fault);
  const judged = violations.length === 0 ? {} : { violations };
  return { kind: 'unified', compression: 'squashfs', metadata, type: 'container', ...machine, ...judged };
}

async function architectureOf(program: FileExtents, read: ReadRange): Promise<Architecture | undefined> {
  const head = await readExtents({ ...program, size: Math.min(program.size, program.blockSize) }, read);
  return architectureOfProgram(head.subarray(0, elfHeaderLength));
}

/** The bytes of a file; it must be a small one. @throws HeadwaterError `invalid` */
async function readExtents(file: FileExtents, read: ReadRange): Promise<Buffer> {
  const { size, blockSize, compressor, blocks, tail } = file;
  const unpacked = async ({ start, length, packed }: Stretch, expected: number) => {
    if (length === 0) return Buffer.alloc(expected);
    const bytes = await read(start, length);
    return packed ? await unpackData(compressor, bytes, blockSize) : bytes;
  };
  const parts: Buffer[] = [];
  for (const [index, block] of blocks.entries()) {
    parts.push(await unpacked(block, Math.min(blockSize, size - index * blockSize)));
  }
  if (tail !== undefined) {
    const rest = size - blocks.length * blockSize;
    parts.push((await unpacked(tail, blockSize)).subarray(tail.offset, tail.offset + rest));
  }
  const bytes = Buffer.concat(parts).subarray(0, size);
  if (bytes.length < Math.min(size, blocks.length * blockSize + 1)) throw corrupt('a file of it ends early');
  return bytes;
}

async function lookAtRoot(tree: SquashfsTree, top: Listing): Promise<SquashfsLook> {
  for (const name of wellKnownPrograms) {
    for (const folder of ['bin', 'usr/bin', 'sbin', 'usr/sbin']) {
      const node = await tree.find(top, posix.join(folder, name));
      if (node?.type === 'file') return { program: await tree.extents(node, elfHeaderLength) };
    }
  }
  return {};
}

/** All members outside of the root filesystem. */
async function membersOf(tree: SquashfsTree, top: Listing): Promise<Member[]> {
  const members: Member[] = [];
  const walk = async (listing: Listing, above: string, depth: number): Promise<void> => {
    if (depth > depthLimit) throw refuse('has folders too deep beside its rootfs');
    for await (const { name, node } of tree.entries(listing)) {
      if (name.includes('/') || name === '..' || name === '.')
        throw refuse('has a name with a slash or dots');
      const member = await node();
      members.push(memberOf(`${above}${name}`, member));
      if (members.length > membersLimit)
        throw refuse(`has more than ${membersLimit} files beside its rootfs`);
      if (member.type === 'directory' && `${above}${name}` !== 'rootfs') {
        await walk(member.listing, `${above}${name}/`, depth + 1);
      }
    }
  };
  await walk(top, '', 0);
  return members;
}

function memberOf(name: string, node: TreeNode): Member {
  if (node.type === 'symlink') return { name, type: 'symlink', linkName: node.target };
  // The other name of a hard link is unknown: it may be in the root.
  if (node.type === 'file' && node.links > 1) return { name, type: 'link', linkName: 'rootfs/?' };
  return { name, type: node.type };
}

/** Whether a directory of a squashfs is a root filesystem. */
export async function isRoot(tree: SquashfsTree, top: Listing): Promise<boolean> {
  const folders = new Set<string>();
  for await (const { name, node } of tree.entries(top)) {
    if (rootFolders.has(name)) folders.add(name);
    if (name !== 'usr') continue;
    const usr = await node();
    if (usr.type !== 'directory') continue;
    for await (const below of tree.entries(usr.listing)) {
      if (rootFolders.has(`usr/${below.name}`)) folders.add(`usr/${below.name}`);
    }
  }
  return isRootFilesystem((folder) => folders.has(folder));
}
