import type { Catalog } from '../../catalog/catalog.ts';
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
  const events = forced.map(({ path, problem }) => ({
    action: 'mirror.force',
    subject: mirror,
    details: { path, problem },
  }));
  await catalog.mirrors.accept(mirror, accepted, ...events);
}
