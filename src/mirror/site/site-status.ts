import type { Catalog } from '../../catalog/catalog.ts';
import { ownerOf } from '../../catalog/products/ownership.ts';
import type { SiteMirror } from '../../config/sites/site-mirror-schema.ts';
import { defined } from '../../model/defined.ts';
import { lastRunOf, type MirrorStatus } from '../status.ts';
import { summarize } from './waiting.ts';

/** Computes the state of a mirror whose versions come in bundles. Its age counts from the creation of the newest one. */
export async function siteStatus(
  definition: SiteMirror,
  catalog: Catalog,
  now = new Date(),
): Promise<MirrorStatus> {
  const { name, site, enabled, keyring, maxAge } = definition;
  const { running, lastRun } = await lastRunOf(name, catalog.mirrors, now);
  const followed = await catalog.received.followed(name);
  const missing = (await catalog.received.awaited(name)).filter(({ isStored }) => !isStored);
  const lastSuccess = (await catalog.mirrors.lastSuccess(name))?.startedAt;
  // A clock of the other site may be ahead by a little.
  const age = followed && Math.max(0, now.getTime() - followed.createdAt.getTime());
  return {
    ...{ name, site, enabled, signed: keyring !== undefined, mode: 'bundles', running },
    streams: await catalog.products.streams(ownerOf(name)),
    ...defined({ lastRun, lastSuccess }),
    ...(age === undefined ? {} : { age: Math.round(age / 1000) }),
    ...(maxAge === undefined ? {} : { maxAge: Math.round(maxAge / 1000) }),
    stale: enabled && maxAge !== undefined && age !== undefined && age > maxAge,
    upstreamStale: false,
    ...(followed === undefined
      ? {}
      : {
          bundle: {
            ...{ to: followed.to, sequence: followed.sequence, identity: followed.identity },
            ...{ created: followed.createdAt, ...defined({ signedBy: followed.signedBy ?? undefined }) },
          },
          waiting: summarize(followed.waitingVersions, missing),
        }),
  };
}
