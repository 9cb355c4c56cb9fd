import * as z from 'zod';
import { defined } from '../../model/defined.ts';

/** A document that a mirror followed. Times are in ISO 8601. */
export interface AcceptedDocument {
  path: string;
  /** SHA-256 of its JSON. */
  sha256: string;
  /** What the document says of its last change. */
  updated?: string;
  /** The time of the signature. */
  signedAt?: string;
}

/** The newest documents that a mirror followed: older ones are not followed any more. */
export interface AcceptedDocuments {
  index?: AcceptedDocument;
  /** The documents that the index names, by their keys: others are not followed. */
  contentIds?: string[];
  /** By content id. */
  documents: Record<string, AcceptedDocument>;
}

const acceptedDocument = z.looseObject({
  path: z.string(),
  sha256: z.string(),
  updated: z.string().exactOptional(),
  signedAt: z.string().exactOptional(),
});

/** The record of accepted documents in the catalog. */
export const acceptedDocuments: z.ZodType<AcceptedDocuments> = z.looseObject({
  index: acceptedDocument.exactOptional(),
  contentIds: z.array(z.string()).exactOptional(),
  documents: z.record(z.string(), acceptedDocument),
});

/** The state of a document, as far as one can be older than another. */
export interface DatedDocument {
  sha256: string;
  updated?: Date;
  signedAt?: Date;
  /** Whether its own date is ignored, because it is in the future. */
  isAhead?: boolean;
}

/**
 * Tells a document that is older than one that was followed. The field `updated` decides; where one of the two has none, the
 * time of the signature. The same document is never older. The age of what was accepted does not matter: it may have
 * expired long ago.
 * @returns how it shows, with both dates; undefined when it is not older
 */
export function rollback(found: DatedDocument, accepted: AcceptedDocument): string | undefined {
  if (found.sha256 === accepted.sha256) return undefined;
  const before = datesOf(accepted);
  if (found.updated !== undefined && before.updated !== undefined) {
    return earlier('updated', found.updated, before.updated);
  }
  if (found.signedAt !== undefined && before.signedAt !== undefined) {
    return earlier('signed', found.signedAt, before.signedAt);
  }
  // It has a signature by now: nobody signed it before the other one was made.
  if (found.signedAt !== undefined && before.updated !== undefined && found.signedAt < before.updated) {
    return `signed ${shownTime(found.signedAt)}, but the accepted one was updated ${shownTime(before.updated)}`;
  }
  const isDated = found.updated !== undefined || found.signedAt !== undefined || found.isAhead === true;
  const last = before.updated ?? before.signedAt;
  if (isDated || last === undefined) return undefined;
  return `it has no date that can be read, and the accepted one is of ${shownTime(last)}`;
}

/** What to remember once a document is followed. @param before undefined when it counts no more */
export function remembered(
  path: string,
  { sha256, updated, signedAt }: DatedDocument,
  before: AcceptedDocument | undefined,
): AcceptedDocument {
  const known = before === undefined ? {} : datesOf(before);
  return {
    path,
    sha256,
    // A date that is left out once does not open the way to older documents.
    ...defined({
      updated: (updated ?? known.updated)?.toISOString(),
      signedAt: newest([signedAt, known.signedAt])?.toISOString(),
    }),
  };
}

/** The newest date of all documents that a mirror followed: the time of a change or of a signature. */
export function newestDate({ index, documents }: AcceptedDocuments): Date | undefined {
  const all = [...(index === undefined ? [] : [index]), ...Object.values(documents)].map(datesOf);
  return newest(all.flatMap(({ updated, signedAt }) => [updated, signedAt]));
}

/** Of two records, the newer one of each document, and the content ids of the second. */
export function mergeAccepted(
  one: AcceptedDocuments | undefined,
  other: AcceptedDocuments | undefined,
): AcceptedDocuments | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  const documents = new Map(Object.entries(one.documents));
  for (const [id, document] of Object.entries(other.documents)) {
    documents.set(id, newerOf(documents.get(id), document) ?? document);
  }
  return {
    ...defined({ index: newerOf(one.index, other.index), contentIds: other.contentIds ?? one.contentIds }),
    documents: Object.fromEntries(documents),
  };
}

/** A time in messages: `2026-11-24T08:11:02Z`. */
export function shownTime(time: Date): string {
  return time.toISOString().replace('.000Z', 'Z');
}

function newerOf(one: AcceptedDocument | undefined, other: AcceptedDocument | undefined) {
  if (one === undefined || other === undefined) return one ?? other;
  return rollback({ sha256: one.sha256, ...datesOf(one) }, other) === undefined ? one : other;
}

function earlier(what: string, found: Date, accepted: Date): string | undefined {
  if (found >= accepted) return undefined;
  return `${what} ${shownTime(found)}, but the accepted one ${shownTime(accepted)}`;
}

function newest(dates: (Date | undefined)[]): Date | undefined {
  const times = dates.flatMap((date) => date?.getTime() ?? []);
  return times.length === 0 ? undefined : new Date(Math.max(...times));
}

function datesOf({ updated, signedAt }: AcceptedDocument): { updated?: Date; signedAt?: Date } {
  const toDate = (text: string | undefined) => (text === undefined ? undefined : new Date(text));
  return defined({ updated: toDate(updated), signedAt: toDate(signedAt) });
}
