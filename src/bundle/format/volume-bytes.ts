import { gzipSync } from 'node:zlib';
import { HeadwaterError } from '../../errors.ts';
import type { DocumentMember } from './documents.ts';
import { type BlobMember, manifestMember, signatureMember } from './members.ts';
import type { PassingBlobs } from './passing-blobs.ts';
import { encodeHeader, endSize, type Member, paddingOf, spaceOf } from './tar-header.ts';

/** What every volume of a bundle begins with. */
export interface VolumeHead {
  /** `bundle.json`, compressed. */
  manifest: Uint8Array;
  /** Its detached signature, armored. */
  signature: Uint8Array;
}

/** What is to be written as a volume. */
export interface VolumeContent {
  head: VolumeHead;
  /** Of upstreams: in volume 1. */
  documents: readonly DocumentMember[];
  members: readonly BlobMember[];
  /** Small members at the end: of a stream. */
  tail: readonly { name: string; bytes: Uint8Array }[];
  /** Seconds since 1970, of all members. */
  mtime: number;
}

/** Compresses a manifest, always to the same bytes. */
export function packManifest(manifest: Uint8Array): Buffer {
  return gzipSync(manifest, { level: 9 });
}

/** The bytes that the head takes in a volume. */
function headSize(head: VolumeHead): number {
  return spaceOf({ size: head.manifest.length }) + spaceOf({ size: head.signature.length });
}

/** The bytes of a volume, before any is written. */
export function volumeSize({ head, documents, members, tail }: VolumeContent): number {
  const sizes = [
    ...[...documents, ...members].map(({ size }) => size),
    ...tail.map(({ bytes }) => bytes.length),
  ];
  return headSize(head) + sizes.reduce((sum, size) => sum + spaceOf({ size }), 0) + endSize;
}

/**
 * The bytes of a volume.
 * @param read the bytes of a part of a blob, from the store
 * @param readDocument all bytes of a document, or of its signature; may be omitted for bundles without documents
 * @throws HeadwaterError `invalid` when the store has other bytes than the digest says, naming the blob; what `read` throws
 */
export async function* volumeBytes(
  { head, documents, members, tail, mtime }: VolumeContent,
  blobs: PassingBlobs,
  read: (member: BlobMember) => Promise<AsyncIterable<Uint8Array>>,
  readDocument: (member: DocumentMember) => Promise<Uint8Array> = noDocument,
): AsyncGenerator<Uint8Array> {
  yield* small({ name: manifestMember, bytes: head.manifest }, mtime);
  yield* small({ name: signatureMember, bytes: head.signature }, mtime);
  for (const member of documents) {
    const bytes = await readDocument(member);
    if (bytes.length !== member.size) throw new Error(`${member.name} has another size than was planned`);
    yield* small({ name: member.name, bytes }, mtime);
  }
  for (const member of members) {
    yield encodeHeader(member, mtime);
    const isRight = yield* blobs.pass(member, exactly(member, await read(member)));
    if (!isRight) throw damaged(member);
    yield Buffer.alloc(paddingOf(member.size));
  }
  for (const member of tail) yield* small(member, mtime);
  yield Buffer.alloc(endSize);
}

async function noDocument({ name }: DocumentMember): Promise<never> {
  throw new Error(`no source of ${name}`);
}

function* small({ name, bytes }: { name: string; bytes: Uint8Array }, mtime: number): Generator<Uint8Array> {
  const member: Member = { name, size: bytes.length };
  yield encodeHeader(member, mtime);
  yield bytes;
  yield Buffer.alloc(paddingOf(bytes.length));
}

/** A member with another number of bytes than its header says would spoil the volume. */
async function* exactly(member: BlobMember, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = member.size;
  for await (const chunk of bytes) {
    left -= chunk.length;
    if (left < 0) break;
    yield chunk;
  }
  if (left !== 0) throw damaged(member);
}

function damaged({ blob }: BlobMember): HeadwaterError {
  return new HeadwaterError(
    'invalid',
    `blob ${blob.digest}: the store has other bytes than this digest says, so it cannot be exported: run "headwater verify --read --repair"`,
  );
}
