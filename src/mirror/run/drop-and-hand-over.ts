import type { Actor } from '../../catalog/database/audit-record.ts';
import { ownerOf } from '../../catalog/products/mirror-owner.ts';
import { HeadwaterError } from '../../errors.ts';
import { HeldLease } from './lease.ts';
import type { MirrorParts } from './open-upstream.ts';
import type { MirrorState } from './state.ts';

// What becomes of what a mirror brought, once it is no longer to be copied.

type Parts = Pick<MirrorParts, 'catalog'>;

/**
 * Takes everything that a mirror brought out of the documents. Files stay fetchable for the grace period.
 * @returns how many versions
 * @throws HeadwaterError `not-found` when it brought nothing; `conflict` while it runs
 */
export async function dropMirror(mirror: string, parts: Parts, actor: Actor): Promise<number> {
  const catalog = parts.catalog.by(actor);
  const lease = await HeldLease.take(catalog.mirrors, mirror);
  try {
    let dropped = 0;
    for await (const { name, versions } of catalog.products.each({ owner: ownerOf(mirror) })) {
      for (const { serial } of versions) await catalog.versions.remove(name, serial);
      dropped += versions.length;
    }
    if (dropped === 0)
      throw new HeadwaterError('not-found', `there is nothing that mirror ${mirror} brought`);
    await catalog.mirrors.setState(mirror, undefined);
    return dropped;
  } finally {
    await lease.release();
  }
}

/**
 * Gives everything that a mirror brought to another one, which goes on from there with its next run.
 * @returns how many products
 * @throws HeadwaterError `not-found` when it brought nothing; `conflict` while one of both runs
 */
export async function handOver(mirror: string, to: string, parts: Parts, actor: Actor): Promise<number> {
  const catalog = parts.catalog.by(actor);
  const leases = [await HeldLease.take(catalog.mirrors, mirror)];
  try {
    leases.push(await HeldLease.take(catalog.mirrors, to));
    const products = await catalog.products.handOver(ownerOf(mirror), ownerOf(to));
    if (products === 0)
      throw new HeadwaterError('not-found', `there is nothing that mirror ${mirror} brought`);
    await catalog.sources.handOver(mirror, to);
    // The next run looks at everything.
    const state = (await catalog.mirrors.state(to)) as MirrorState | undefined;
    if (state !== undefined) await catalog.mirrors.setState(to, { ...state, documents: [] });
    await catalog.mirrors.setState(mirror, undefined);
    return products;
  } finally {
    for (const lease of leases) await lease.release();
  }
}
