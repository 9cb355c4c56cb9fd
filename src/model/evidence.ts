/**
 * What proves where the files of a version come from: `upstream` a document that the upstream signed, `site` the signature of
 * the site that sent them in a bundle, `none` nothing that can be verified again.
 */
export const proofs = ['upstream', 'site', 'none'] as const;

export type Proof = (typeof proofs)[number];

/** A key that made a good signature. */
export interface SignedBy {
  /** Of the primary key, in upper-case hexadecimal. */
  fingerprint: string;
  /** The first one of the key: `Name <address>`. */
  userId?: string;
}

/** The bundle that brought a version. */
export interface BundleOrigin {
  /** The SHA-256 of its manifest. */
  identity: string;
  sequence: number;
  /** The site that wrote it. */
  site: string;
  /** The fingerprint of the key that signed it; absent where unsigned bundles are accepted. */
  signer?: string;
  /** Who imported it. */
  operator: string;
}

/** The evidence for a version that came from elsewhere. */
export interface VersionEvidence {
  proof: Proof;
  /** The id of the kept document that lists the version with its digests. */
  document?: number;
  /** The name of the product at the upstream. */
  upstreamProduct?: string;
  /** The address that the bytes came from; absent where all of them were stored already. */
  servedBy?: string;
  bundle?: BundleOrigin;
}
