import type { Manifest } from './manifest-schema.ts';
import { type Member, spaceOf } from './tar-header.ts';

// Documents of upstreams, word for word, as members of volume 1. Their sizes and digests are in the manifest, so that it decides
// where each member is.

/** A member with a document of an upstream, or with its detached signature. */
export interface DocumentMember extends Member {
  /** Of its bytes, in hexadecimal. */
  sha256: string;
  /** The SHA-256 of the document that it is, or that it signs. */
  document: string;
  isSignature: boolean;
}

/** The members with documents, in their order. */
export function documentMembers({ documents = [] }: Pick<Manifest, 'documents'>): DocumentMember[] {
  return documents.flatMap(({ sha256: document, size, signature }): DocumentMember[] => {
    const name = `documents/${document}`;
    const member = { name, size, sha256: document, document, isSignature: false };
    return signature === undefined
      ? [member]
      : [member, { ...signature, name: `${name}.gpg`, document, isSignature: true }];
  });
}

/** The bytes that documents take in a volume. */
export function documentSpace(members: readonly Member[]): number {
  return members.reduce((sum, { size }) => sum + spaceOf({ size }), 0);
}
