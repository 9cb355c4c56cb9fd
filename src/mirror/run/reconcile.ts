import type { Catalog } from '../../catalog/catalog.ts';
import type { Family } from '../../catalog/products/aliases.ts';
import { defined } from '../../model/defined.ts';
import { productName } from '../../model/names.ts';
import type { ProductDetails, ProductWithVersions } from '../../model/versions.ts';
import type { OfferedProduct } from '../../simplestreams/read/offered.ts';
import { offeredAliases } from '../plan/alias-plan.ts';
import { lostDeltas, sortVersions } from '../plan/held-versions.ts';
import { retiredSerials, type Terms } from '../plan/retention.ts';
import type { MirrorState } from './state.ts';

/** What was changed, besides added versions. */
export interface Reconciled {
  retired: number;
  kept: number;
  aliases: { changed: number; withheld: { alias: string; owner: string }[] };
  /** The upstream's aliases, for the next run. */
  given: MirrorState['aliases'];
}

/**
 * Reconciles the catalog with the upstream after its versions were added: details of products, aliases, and versions outside
 * `keep`.
 */
export async function reconcile(
  catalog: Catalog,
  { owner, stream }: { owner: string; stream: string },
  offered: OfferedProduct[],
  options: {
    terms: Terms;
    /** The aliases that the upstream gave before. */
    before: Pick<MirrorState, 'aliases'> | undefined;
    /** Whether the mirror has products in other streams, too, which are not meant here. */
    inManyStreams?: boolean;
    /** Whether the store has a digest by now. */
    isStored: (digest: string) => boolean;
    /** Called before each change. @throws when the run may change nothing any more */
    assertMay: () => Promise<void>;
  },
): Promise<Reconciled> {
  const byName = new Map(offered.map((product) => [productName(product.key), product]));
  const reconciled: Reconciled = { retired: 0, kept: 0, aliases: { changed: 0, withheld: [] }, given: [] };
  const held: ProductWithVersions[] = [];
  const query = options.inManyStreams === true ? { owner, stream } : { owner };
  for await (const product of catalog.products.each(query)) held.push(product);
  for (const product of held) {
    const offer = byName.get(product.name);
    await options.assertMay();
    if (offer !== undefined) await redescribe(catalog, owner, product, offer);
    const serials = sortVersions(offer?.versions ?? [], product.versions, options.isStored);
    const retired = retiredSerials(serials, options.terms);
    for (const serial of retired) {
      await options.assertMay();
      await catalog.versions.remove(product, serial);
    }
    if (options.terms.isComplete) await dropLostDeltas(catalog, product, offer, options);
    reconciled.retired += retired.length;
    reconciled.kept += product.versions.length - retired.length;
  }
  const wanted = offeredAliases(offered);
  await options.assertMay();
  reconciled.aliases = await catalog.aliases.follow(
    { owner, stream },
    wanted,
    dropped(options.before, wanted, offered),
  );
  const given: MirrorState['aliases'] = [...wanted];
  // What a document gave that is not followed now can be dropped by a later run.
  if (!options.terms.isComplete) given.push(...notOffered(options.before, wanted, offered));
  return { ...reconciled, given };
}

/** Aliases that the upstream gave before to families that are not offered now. */
function notOffered(
  before: Pick<MirrorState, 'aliases'> | undefined,
  wanted: ReadonlyMap<string, Family>,
  offered: OfferedProduct[],
): MirrorState['aliases'] {
  const families = new Set(offered.map(({ key }) => familyName(key)));
  return (before?.aliases ?? []).filter(
    ([alias, family]) => !wanted.has(alias) && !families.has(familyName(family)),
  );
}

async function dropLostDeltas(
  catalog: Catalog,
  product: ProductWithVersions,
  offer: OfferedProduct | undefined,
  options: { isStored: (digest: string) => boolean; assertMay: () => Promise<void> },
): Promise<void> {
  const offered = new Map(offer?.versions.map((version) => [version.serial, version]));
  for (const { serial, items } of product.versions) {
    const lost = lostDeltas(offered.get(serial), items, options.isStored);
    if (lost.length === 0) continue;
    await options.assertMay();
    await catalog.versions.removeDeltas(product, serial, lost);
  }
}

/** Aliases that the upstream gave to a family before and gives no more, although it still has the family. */
function dropped(
  before: Pick<MirrorState, 'aliases'> | undefined,
  wanted: ReadonlyMap<string, Family>,
  offered: OfferedProduct[],
): string[] {
  const families = new Set(offered.map(({ key }) => familyName(key)));
  return (before?.aliases ?? [])
    .filter(([alias, family]) => !wanted.has(alias) && families.has(familyName(family)))
    .map(([alias]) => alias);
}

function familyName({ os, release, variant }: Family): string {
  return `${os}:${release}:${variant}`;
}

async function redescribe(
  catalog: Catalog,
  owner: string,
  product: ProductWithVersions,
  { details }: OfferedProduct,
): Promise<void> {
  const next: ProductDetails = {
    osTitle: details.osTitle ?? product.osTitle,
    releaseTitle: details.title ?? product.releaseTitle,
    ...defined({ supportEol: details.eol }),
    requirements: details.requirements ?? {},
  };
  const same =
    next.osTitle === product.osTitle &&
    next.releaseTitle === product.releaseTitle &&
    next.supportEol === product.supportEol &&
    JSON.stringify(Object.entries(next.requirements).sort()) ===
      JSON.stringify(Object.entries(product.requirements).sort());
  if (!same) await catalog.versions.redescribe(product, owner, next);
}
