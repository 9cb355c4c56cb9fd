import type { Catalog } from '../../catalog/catalog.ts';
import { ownerOf } from '../../catalog/products/ownership.ts';
import type { SiteMirror } from '../../config/sites/site-mirror-schema.ts';
import { type HeldProduct, makePlan, type Plan, type PlannedVersion } from '../plan/plan.ts';
import type { Terms } from '../plan/retention.ts';
import type { SiteOffer } from './site-offer.ts';

/** A version to publish in a stream. */
export interface SiteVersion extends PlannedVersion {
  stream: string;
}

/** What an import will do, in all streams. */
export interface SitePlan extends Omit<Plan, 'add' | 'move'> {
  /** Those of each stream, the newest first. */
  add: SiteVersion[];
  /** The streams of the state, and those in which the mirror has products. */
  streams: string[];
}

/** The rules that decide which versions stay. The state of a bundle is always complete. */
export function termsOf({ keep, removed }: Pick<SiteMirror, 'keep' | 'removed'>): Terms {
  return { keep: { ...keep, removed }, now: new Date(), isComplete: true };
}

/** Compares the state of a bundle with what is held. @param isStored whether the store has a digest */
export async function planSite(
  definition: SiteMirror,
  catalog: Catalog,
  offer: SiteOffer,
  isStored: (digest: string) => boolean,
): Promise<SitePlan> {
  const owner = ownerOf(definition.name);
  const held = await heldProducts(catalog, owner, offer);
  const streams = [...new Set([...offer.streams.keys(), ...held.keys()])].sort();
  const plans = streams.map((stream) => ({
    stream,
    plan: makePlan({
      ...{ offered: offer.streams.get(stream) ?? [], held: held.get(stream) ?? [] },
      ...{ owner, stream, terms: termsOf(definition), isStored },
    }),
  }));
  const sum = (count: (plan: Plan) => number) => plans.reduce((total, { plan }) => total + count(plan), 0);
  return {
    add: plans.flatMap(({ stream, plan }) => plan.add.map((version) => ({ ...version, stream }))),
    streams,
    kept: sum(({ kept }) => kept),
    retire: plans.flatMap(({ plan }) => plan.retire),
    fetch: sum(({ fetch }) => fetch),
    stored: sum(({ stored }) => stored),
    skipped: plans.flatMap(({ plan }) => plan.skipped),
  };
}

/** By stream: the products of the mirror, and those of others with names that are offered in the stream. */
async function heldProducts(
  catalog: Catalog,
  owner: string,
  offer: SiteOffer,
): Promise<Map<string, HeldProduct[]>> {
  const held = new Map<string, HeldProduct[]>();
  for await (const product of catalog.products.each()) {
    const { name, stream, versions } = product;
    if (product.owner !== owner && !offer.streams.has(stream)) continue;
    const slim: HeldProduct = {
      ...{ name, owner: product.owner, stream },
      versions: versions.map(({ serial, items }) => ({
        serial,
        items: items.map(({ type, digest }) => ({ type, digest })),
      })),
    };
    const known = held.get(stream);
    if (known === undefined) held.set(stream, [slim]);
    else known.push(slim);
  }
  return held;
}
