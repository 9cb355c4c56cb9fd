import type { Manifest } from '../../bundle/format/manifest-schema.ts';
import type { ReceivedBundle } from '../../catalog/bundles/received-bundles.ts';
import type { SiteMirror } from '../../config/sites/site-mirror-schema.ts';
import { HeadwaterError } from '../../errors.ts';

/** A bundle, as far as its place among others needs it. */
interface Arrived {
  content: Pick<Manifest, 'site' | 'to' | 'sequence' | 'previous' | 'created'>;
  identity: string;
}

/** The place of a bundle among those that were imported before. */
export interface Place {
  /** It is the newest one: the mirror follows its state. */
  isNewest: boolean;
  /** Why it is accepted only because of `force`: it belongs to another chain. */
  forced?: string;
}

/**
 * Finds the place of a bundle among the imported ones. Each bundle names the one before it, so bundles of a site form a chain.
 * @param received the bundles that were imported before
 * @param followed the identity of the bundle whose state the mirror follows
 * @param options.ownSite the name of this site, if the configuration sets it
 * @param options.force accept a bundle for another site or of another chain, as after the other site was rebuilt
 * @throws HeadwaterError `conflict`, naming both bundles or sites
 */
export function placeOf(
  definition: Pick<SiteMirror, 'name' | 'site' | 'file'>,
  { content, identity }: Arrived,
  received: readonly ReceivedBundle[],
  options: { followed: string | undefined; ownSite?: string; force?: boolean },
): Place {
  const { name, site, file } = definition;
  if (content.site !== site) {
    throw new HeadwaterError(
      'conflict',
      `mirror ${name}: the bundle is from site ${content.site}, and ${file} expects bundles from ${site}`,
    );
  }
  const created = new Date(content.created);
  const newest = received.find((bundle) => bundle.identity === options.followed);
  const problem =
    otherDestination(content.to, newest, options.ownSite) ??
    otherChain({ ...content, identity, created }, received, newest);
  if (problem === undefined) {
    const isNewest =
      newest === undefined ||
      content.sequence > newest.sequence ||
      (content.sequence === newest.sequence && created >= newest.createdAt);
    return { isNewest };
  }
  if (options.force === true) return { isNewest: true, forced: problem };
  throw new HeadwaterError('conflict', `mirror ${name}: ${problem}. If that is right, use --force`);
}

function otherDestination(
  to: string,
  newest: ReceivedBundle | undefined,
  ownSite: string | undefined,
): string | undefined {
  if (newest !== undefined && newest.to !== to) {
    return `the bundle is for site ${to}, and earlier bundles were for ${newest.to}`;
  }
  if (newest === undefined && ownSite !== undefined && ownSite !== to) {
    return `the bundle is for site ${to}, and this site is ${ownSite}`;
  }
  return undefined;
}

/** Why a bundle cannot be of the same chain as the imported ones. */
function otherChain(
  bundle: { sequence: number; previous: string | null; identity: string; created: Date },
  received: readonly ReceivedBundle[],
  newest: ReceivedBundle | undefined,
): string | undefined {
  if (received.some(({ identity }) => identity === bundle.identity)) return undefined;
  // The other site may give the number of a bundle that it never finished to another one.
  const whole = received.filter(({ isComplete }) => isComplete);
  const same = whole.find(({ sequence }) => sequence === bundle.sequence);
  if (same !== undefined) {
    return `this is bundle ${bundle.sequence} with the manifest ${bundle.identity}, and bundle ${same.sequence} with the manifest ${same.identity} was imported before`;
  }
  const before = whole.find(({ sequence }) => sequence === bundle.sequence - 1);
  if (before !== undefined && before.identity !== bundle.previous) {
    return `bundle ${bundle.sequence} follows the manifest ${bundle.previous ?? 'of no bundle'}, and the imported bundle ${before.sequence} has the manifest ${before.identity}`;
  }
  const after = received.find(({ sequence }) => sequence === bundle.sequence + 1);
  if (after !== undefined && after.previous !== bundle.identity) {
    return `the imported bundle ${after.sequence} follows the manifest ${after.previous ?? 'of no bundle'}, and bundle ${bundle.sequence} has the manifest ${bundle.identity}`;
  }
  if (newest !== undefined && bundle.sequence < newest.sequence && bundle.created > newest.createdAt) {
    return `bundle ${bundle.sequence} was created on ${bundle.created.toISOString()}, after the imported bundle ${newest.sequence} (${newest.createdAt.toISOString()})`;
  }
  return undefined;
}
