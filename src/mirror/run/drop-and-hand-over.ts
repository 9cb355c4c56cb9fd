import type { Actor } from '../../catalog/database/audit-record.ts';
import { ownerOf } from '../../catalog/products/ownership.ts';
import { HeadwaterError } from '../../errors.ts';
import { acceptedDocuments, mergeAccepted } from '../guard/accepted-documents.ts';
import type { MirrorServices } from '../mirror-services.ts';
import { sortVersions } from '../plan/held-versions.ts';
import { takeMirrorLease } from './lease.ts';
import { mirrorState } from './state.ts';

// Drops, or hands over, the versions of a mirror that is no longer wanted.

type Parts = Pick<MirrorServices, 'catalog'>;

/**
 * Removes the versions of a mirror from the documents. Files can be downloaded until the grace period ends.
 * @param options.onlyNotDownloaded keep versions whose files are stored
 * @returns how many versions were removed
 * @throws HeadwaterError `not-found` when there are none; `conflict` while the mirror runs
 */
export async function dropMirror(
  mirror: string,
  services: Parts,
  actor: Actor,
  { onlyNotDownloaded = false }: { onlyNotDownloaded?: boolean } = {},
): Promise<number> {
  const catalog = services.catalog.by(actor);
  const lease = await takeMirrorLease(catalog.mirrors, mirror);
  try {
    const digests = await catalog.blobs.digests();
    const state = await catalog.mirrors.state(mirror, mirrorState);
    // Before the first removal: the next run, if there is one, must not take the upstream for unchanged.
    if (state !== undefined) await catalog.mirrors.setState(mirror, { ...state, documents: [] });
    const found = { versions: 0, dropped: 0 };
    for await (const { stream, name, versions } of catalog.products.each({ owner: ownerOf(mirror) })) {
      const { held, stored } = sortVersions([], versions, (digest) => digests.has(digest));
      const dropped = [...held].filter((serial) => !onlyNotDownloaded || !stored.has(serial));
      for (const serial of dropped) await catalog.versions.remove({ stream, name }, serial);
      found.versions += versions.length;
      found.dropped += dropped.length;
    }
    if (found.versions === 0) throw nothingOf(mirror);
    if (found.dropped === 0) {
      throw new HeadwaterError('not-found', `every version of mirror ${mirror} is downloaded`);
    }
    if (!onlyNotDownloaded) {
      await catalog.mirrors.setState(mirror, undefined);
      await catalog.mirrors.accept(mirror, undefined);
      await catalog.received.forget(mirror);
    }
    return found.dropped;
  } finally {
    await lease.release();
  }
}

/**
 * Gives the versions of a mirror to another one, whose next run continues with them.
 * @returns how many products
 * @throws HeadwaterError `not-found` when there are none; `conflict` while one of both runs
 */
export async function handOver(mirror: string, to: string, services: Parts, actor: Actor): Promise<number> {
  const catalog = services.catalog.by(actor);
  const leases = [await takeMirrorLease(catalog.mirrors, mirror)];
  try {
    leases.push(await takeMirrorLease(catalog.mirrors, to));
    const products = await catalog.products.handOver(ownerOf(mirror), ownerOf(to));
    if (products === 0) throw nothingOf(mirror);
    await catalog.sources.handOver(mirror, to);
    // The next run looks at everything.
    const state = await catalog.mirrors.state(to, mirrorState);
    if (state !== undefined) await catalog.mirrors.setState(to, { ...state, documents: [] });
    await catalog.mirrors.setState(mirror, undefined);
    const given = await catalog.mirrors.accepted(mirror, acceptedDocuments);
    const own = await catalog.mirrors.accepted(to, acceptedDocuments);
    await catalog.mirrors.accept(to, mergeAccepted(given, own));
    await catalog.mirrors.accept(mirror, undefined);
    await catalog.received.handOver(mirror, to);
    return products;
  } finally {
    for (const lease of leases) await lease.release();
  }
}

function nothingOf(mirror: string): HeadwaterError {
  return new HeadwaterError('not-found', `mirror ${mirror} has no versions here`);
}
