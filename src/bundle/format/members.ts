import type { CarriedBlob } from './manifest-schema.ts';
import type { Member } from './tar-header.ts';

/** The members with which every volume begins, so that each can be judged alone. */
export const manifestMember = 'bundle.json.gz';
export const signatureMember = 'bundle.json.asc';
/** The last member of a stream: without it, the stream was cut. */
export const endMember = 'end.json';

/** A member with the bytes of a blob, or of a part of it. */
export interface BlobMember extends Member {
  blob: CarriedBlob;
  /** Where in the blob its bytes begin. */
  offset: number;
}

/** The members of a volume behind its manifest, in their order. */
export function blobMembers(carried: readonly CarriedBlob[], volume: number): BlobMember[] {
  return carried.flatMap((blob): BlobMember[] => {
    const path = `blobs/${blob.digest.replace(':', '/')}`;
    if (blob.pieces === undefined) {
      return blob.volume === volume ? [{ name: path, size: blob.size, blob, offset: 0 }] : [];
    }
    return blob.pieces
      .filter((piece) => piece.volume === volume)
      .map(({ offset, size }) => ({
        name: `${path}/${String(offset).padStart(15, '0')}`,
        size,
        blob,
        offset,
      }));
  });
}
