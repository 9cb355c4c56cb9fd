import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { HeadwaterError } from '../../errors.ts';
import type { DocumentMember } from './documents.ts';
import { maxManifestSize } from './manifest.ts';
import { type BlobMember, manifestMember, signatureMember } from './members.ts';
import type { ReadsMembers } from './passing-blobs.ts';
import { BlockReader, EndOfVolume } from './read-blocks.ts';
import { blockSize, decodeHeader, encodeHeader, endSize, type Member, paddingOf } from './tar-header.ts';
import type { VolumeContent } from './volume-bytes.ts';

/** What a volume was found to be. */
export interface VolumeFindings {
  /** Of all its bytes, in hexadecimal. */
  sha256: string;
  /** Bytes. */
  size: number;
  /** What is wrong with it, the first problems first; empty when all is right. */
  problems: string[];
}

/** Problems of a volume that are told: more add nothing. */
const maxProblems = 5;

/** The bytes of a manifest and of its signature, as a volume has them. */
export interface SignedManifest {
  /** `bundle.json` */
  manifest: Buffer;
  /** Its detached signature. */
  signature: Buffer;
}

/** Receives a document of an upstream, or its detached signature. */
export type OnDocument = (member: DocumentMember, bytes: Buffer) => void | Promise<void>;

/** Bytes of a signature. */
const maxSignatureSize = 64 * 1024;

/**
 * Reads the head of a volume or a stream, before anything is known of the bundle.
 * @throws HeadwaterError `invalid` when it is none of a bundle
 */
export async function readHead(reader: BlockReader): Promise<SignedManifest> {
  try {
    const manifest = unpack(await takeSmall(reader, manifestMember, maxManifestSize));
    const signature = await takeSmall(reader, signatureMember, maxSignatureSize);
    return { manifest, signature };
  } catch (error) {
    if (!(error instanceof EndOfVolume)) throw error;
    throw new HeadwaterError('invalid', `is no bundle: it ${error.message}`, { cause: error });
  }
}

/**
 * Reads a volume and compares every byte with what its manifest says. The manifest decides where each member is, so that
 * a damaged header or blob costs that blob alone.
 * @param expected what the bundle is known to have; `digest` gives the SHA-256 of the source, where something else computes it
 * @param blobs receives the bytes of blobs
 * @param onDocument given each document of an upstream, and each signature of one, that is as the manifest says
 */
export async function readVolume(
  source: AsyncIterable<Uint8Array>,
  expected: VolumeContent & SignedManifest & { digest?: () => Promise<string> },
  blobs: ReadsMembers,
  onDocument: OnDocument = () => undefined,
): Promise<VolumeFindings> {
  const hash = createHash('sha256');
  const { digest } = expected;
  const reader = new BlockReader(source, digest === undefined ? (bytes) => hash.update(bytes) : undefined);
  const { problems, tell } = collectProblems();
  try {
    await compareHead(reader, expected, tell);
    await readDocuments(reader, expected, onDocument, tell);
    await readMembers(reader, expected, blobs, tell);
  } catch (error) {
    if (!(error instanceof EndOfVolume)) throw error;
    tell(`it ${error.message}`);
  } finally {
    await reader.close();
  }
  const sha256 = digest === undefined ? hash.digest('hex') : await digest();
  return { sha256, size: reader.position, problems };
}

/** Reads a stream behind its head ({@link readHead}). @returns what is wrong with it */
export async function readStream(
  reader: BlockReader,
  expected: Omit<VolumeContent, 'head'>,
  blobs: ReadsMembers,
  onDocument: OnDocument = () => undefined,
): Promise<string[]> {
  const { problems, tell } = collectProblems();
  try {
    await readDocuments(reader, expected, onDocument, tell);
    await readMembers(reader, expected, blobs, tell);
  } catch (error) {
    if (!(error instanceof EndOfVolume)) throw error;
    tell(`it was cut: it ${error.message}`);
  }
  return problems;
}

function collectProblems(): { problems: string[]; tell: (problem: string) => void } {
  const problems: string[] = [];
  const tell = (problem: string) => {
    if (problems.length < maxProblems) problems.push(problem);
  };
  return { problems, tell };
}

/** Programs may compress the manifest differently: its size is what its header says. */
async function compareHead(
  reader: BlockReader,
  { head, manifest, signature, mtime }: VolumeContent & SignedManifest,
  tell: (problem: string) => void,
): Promise<void> {
  let size = head.manifest.length;
  try {
    size = sizeOfSmall(await reader.take(blockSize), manifestMember, maxManifestSize);
    const packed = await reader.take(size);
    if (!unpack(packed).equals(manifest)) tell(`${manifestMember} is that of another bundle`);
  } catch (error) {
    if (!(error instanceof HeadwaterError)) throw error;
    tell(error.message);
    if (reader.position === blockSize) await reader.take(size);
  }
  await comparePadding(reader, { name: manifestMember, size }, tell);
  await compareSmall(reader, { name: signatureMember, bytes: signature, mtime }, tell);
}

async function readDocuments(
  reader: BlockReader,
  { documents, mtime }: Pick<VolumeContent, 'documents' | 'mtime'>,
  onDocument: OnDocument,
  tell: (problem: string) => void,
): Promise<void> {
  for (const member of documents) {
    await compareHeader(reader, member, mtime, tell);
    const bytes = await reader.take(member.size);
    if (createHash('sha256').update(bytes).digest('hex') === member.sha256) await onDocument(member, bytes);
    else tell(`${member.name} is damaged`);
    await comparePadding(reader, member, tell);
  }
}

async function readMembers(
  reader: BlockReader,
  { members, tail, mtime }: Omit<VolumeContent, 'head'>,
  blobs: ReadsMembers,
  tell: (problem: string) => void,
): Promise<void> {
  for (const member of members) {
    // A member that is not what the manifest says, such as a link, is passed over.
    if (!(await compareHeader(reader, member, mtime, tell))) await passOver(reader, member);
    else if (!(await passes(reader, member, blobs))) tell(`blob ${member.blob.digest} is damaged`);
    await comparePadding(reader, member, tell);
  }
  for (const { name, bytes } of tail) await compareSmall(reader, { name, bytes, mtime }, tell);
  if (!(await reader.take(endSize)).every((byte) => byte === 0)) tell('its end is not that of an archive');
  const excess = await reader.drain();
  if (excess > 0) tell(`it has ${excess} bytes too many`);
}

async function compareSmall(
  reader: BlockReader,
  { name, bytes, mtime }: { name: string; bytes: Uint8Array; mtime: number },
  tell: (problem: string) => void,
): Promise<void> {
  const member = { name, size: bytes.length };
  await compareHeader(reader, member, mtime, tell);
  if (!(await reader.take(bytes.length)).equals(bytes)) tell(`${name} is not that of the bundle`);
  await comparePadding(reader, member, tell);
}

async function compareHeader(
  reader: BlockReader,
  member: Member,
  mtime: number,
  tell: (problem: string) => void,
): Promise<boolean> {
  const isRight = (await reader.take(blockSize)).equals(encodeHeader(member, mtime));
  if (!isRight) tell(`the header of ${member.name} is damaged`);
  return isRight;
}

async function comparePadding(
  reader: BlockReader,
  { name, size }: Member,
  tell: (problem: string) => void,
): Promise<void> {
  if ((await reader.take(paddingOf(size))).some((byte) => byte !== 0)) tell(`bytes behind ${name}`);
}

async function passOver(reader: BlockReader, { size }: Member): Promise<void> {
  for await (const _ of reader.pass(size));
}

async function passes(reader: BlockReader, member: BlobMember, blobs: ReadsMembers): Promise<boolean> {
  const bytes = blobs.pass(member, reader.pass(member.size));
  for (;;) {
    const { done, value } = await bytes.next();
    if (done === true) return value;
  }
}

async function takeSmall(reader: BlockReader, name: string, most: number): Promise<Buffer> {
  const size = sizeOfSmall(await reader.take(blockSize), name, most);
  const bytes = await reader.take(size);
  await comparePadding(reader, { name, size }, (problem) => {
    throw new HeadwaterError('invalid', `it has ${problem}`);
  });
  return bytes;
}

function sizeOfSmall(header: Buffer, name: string, most: number): number {
  const member = decodeHeader(header);
  if (member.name !== name || member.size > most) {
    throw new HeadwaterError('invalid', `its member ${name} is missing or too large`);
  }
  return member.size;
}

function unpack(packed: Buffer): Buffer {
  try {
    return gunzipSync(packed, { maxOutputLength: maxManifestSize });
  } catch (error) {
    throw new HeadwaterError('invalid', `${manifestMember} cannot be unpacked`, { cause: error });
  }
}
