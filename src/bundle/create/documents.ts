import type { Catalog } from '../../catalog/catalog.ts';
import type { KeptDocument } from '../../catalog/evidence/document-rows.ts';
import type { Provenance } from '../../catalog/evidence/evidence-rows.ts';
import { HeadwaterError } from '../../errors.ts';
import { readDocument } from '../../evidence/read-document.ts';
import { defined } from '../../model/defined.ts';
import { inStream } from '../../model/names.ts';
import type { DocumentMember } from '../format/documents.ts';
import { identityOf } from '../format/manifest.ts';
import type { ManifestDocument, ManifestVersion } from '../format/manifest-schema.ts';
import type { BlobReader } from './parts.ts';

/** What proves versions, for a manifest. */
export interface Proofs {
  /** The signed documents that list the versions. */
  documents: ManifestDocument[];
  /** What a manifest says of a version beside its files. */
  of: (version: ManifestVersion) => Pick<ManifestVersion, 'document' | 'upstreamName' | 'upstreamProduct'>;
}

/**
 * Reads what proves versions to the sites that they go to. A document without a signature proves nothing, and does not travel.
 * @param owners of the products of the versions
 * @throws HeadwaterError when a document is damaged or missing in the store
 */
export async function readProofs(
  versions: readonly ManifestVersion[],
  owners: readonly string[],
  { catalog, store }: { catalog: Catalog; store: BlobReader },
): Promise<Proofs> {
  const known = new Map<string, Provenance>();
  for (const owner of new Set(owners)) {
    for (const provenance of await catalog.evidence.ofOwner(owner)) known.set(keyOf(provenance), provenance);
  }
  const documents = new Map<string, ManifestDocument>();
  for (const version of versions) {
    const document = known.get(keyOf(version))?.document;
    if (document === undefined || !isSigned(document) || documents.has(document.sha256)) continue;
    const { length } = await readDocument(store, document);
    documents.set(document.sha256, describe(document, length));
  }
  return {
    documents: [...documents.values()],
    of: (version) => {
      const provenance = known.get(keyOf(version));
      if (provenance === undefined) return {};
      const { document, upstreamName, upstreamProduct } = provenance;
      const sha256 = document?.sha256;
      return defined({
        document: sha256 !== undefined && documents.has(sha256) ? sha256 : undefined,
        ...{ upstreamName, upstreamProduct },
      });
    },
  };
}

/** Reads documents, and their signatures, for the volumes of a bundle. */
export function documentReader(
  catalog: Catalog,
  store: BlobReader,
): (member: DocumentMember) => Promise<Uint8Array> {
  let kept: Promise<Map<string, KeptDocument>> | undefined;
  const read = async () =>
    new Map((await catalog.evidence.documents()).map((document) => [document.sha256, document]));
  return async ({ document: sha256, isSignature, sha256: expected }) => {
    kept ??= read();
    const document = (await kept).get(sha256);
    const bytes =
      document === undefined
        ? undefined
        : isSignature
          ? document.signature
          : await readDocument(store, document);
    if (bytes !== undefined && identityOf(bytes) === expected) return bytes;
    throw new HeadwaterError(
      'not-found',
      `the upstream's document ${sha256} is no longer kept, so the bundle cannot be written again: create a new bundle`,
    );
  };
}

function isSigned({ signature, signedBy }: KeptDocument): boolean {
  return signature !== undefined || signedBy.length > 0;
}

function describe(document: KeptDocument, size: number): ManifestDocument {
  const { sha256, signature, mirror, url, path, contentId, updated, signedAt, fetchedAt } = document;
  return {
    ...{ sha256, size, detached: signature !== undefined },
    ...(signature === undefined
      ? {}
      : { signature: { sha256: identityOf(signature), size: signature.length } }),
    ...{ mirror, url, path, contentId },
    ...defined({ updated: updated?.toISOString(), signedAt: signedAt?.toISOString() }),
    signedBy: document.signedBy.map(({ fingerprint }) => fingerprint),
    fetchedAt: fetchedAt.toISOString(),
  };
}

function keyOf({ stream, product, serial }: Pick<ManifestVersion, 'stream' | 'product' | 'serial'>): string {
  return `${inStream(stream, product)}@${serial}`;
}
