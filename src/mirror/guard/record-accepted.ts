import type { Catalog } from '../../catalog/catalog.ts';
import type { AuditEvent } from '../../catalog/database/audit-record.ts';
import type { AcceptedDocuments } from './accepted-documents.ts';
import type { ForcedDocument } from './document-guard.ts';

/**
 * Records the documents that a mirror follows from now on. The audit log has those that an administrator accepted.
 * @param catalog with the requester of the run as the author of changes
 */
export async function recordAccepted(
  catalog: Catalog,
  mirror: string,
  { accepted, forced }: { accepted: AcceptedDocuments; forced: readonly ForcedDocument[] },
): Promise<void> {
  await catalog.mirrors.accept(mirror, accepted, ...forcedEvents(mirror, forced));
}

/** The audit entries about documents that an administrator accepted. @param subject the mirror or image server */
export function forcedEvents(subject: string, forced: readonly ForcedDocument[]): AuditEvent[] {
  return forced.map(({ path, problem }) => ({ action: 'mirror.force', subject, details: { path, problem } }));
}
