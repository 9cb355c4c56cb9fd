import { type NewDocument, packDocument } from '../../evidence/keep-document.ts';
import { defined } from '../../model/defined.ts';
import { productName } from '../../model/names.ts';
import type { Untyped } from '../../simplestreams/read/fields.ts';
import type { OfferedVersion } from '../../simplestreams/read/offered.ts';
import type { VersionFilter } from '../../simplestreams/read/offered-document.ts';
import { readUpdated } from '../../simplestreams/read/updated.ts';
import type { ReadDocument } from '../upstream/documents.ts';

/** A version in a document that is selected or in the catalog. */
export interface Listing {
  /** `os:release:architecture:variant` */
  product: string;
  /** The name of the product at the upstream. */
  upstreamProduct: string;
  /** With all its roots, selected or not. */
  version: OfferedVersion;
}

/** A document that was followed, with what it vouches for. */
export interface FoundDocument {
  document: Omit<NewDocument, 'owner' | 'mirror'>;
  listings: Listing[];
}

/**
 * Notes the versions of a document that are selected or in the catalog.
 * @param select the filter of the mirror
 * @param isHeld whether the catalog has a version of this mirror
 * @returns the same filter, which notes the versions in `listings`
 */
export function notingListings(
  select: VersionFilter,
  isHeld: (product: string, serial: string) => boolean,
): { select: VersionFilter; listings: Listing[] } {
  const listings: Listing[] = [];
  return {
    listings,
    select: (around, fields, version) => {
      const selected = select(around, fields, version);
      const product = productName(around.key);
      const { serial } = version;
      if (serial !== '' && (selected !== undefined || isHeld(product, serial))) {
        listings.push({ product, upstreamProduct: around.name, version });
      }
      return selected;
    },
  };
}

/** A document to keep, compressed: a mirror may read several before it knows that it follows them. */
export async function foundDocument(
  read: ReadDocument,
  fields: Untyped,
  listings: Listing[],
): Promise<FoundDocument> {
  const { base, path, expected, signature, signedAt, signedBy } = read;
  const updated = readUpdated(fields['updated']);
  const document = {
    ...(await packDocument(read.sent)),
    ...{ url: base, path, contentId: expected.contentId, signedBy, fetchedAt: new Date() },
    ...defined({ signature, signedAt, updated }),
  };
  return { document, listings };
}
