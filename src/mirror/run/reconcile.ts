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

/** What was changed, beside what was added. */
interface Followed {
  retired: number;
  kept: number;
  aliases: { changed: number; withheld: { alias: string; owner: string }[] };
  /** For the next run. */
  given: MirrorState['aliases'];
}

/**
 * Brings what is here in line with what the upstream says, after its versions were fetched: details of products,
 * aliases, and what is outside `keep`.
 */
export async function followUpstream(
  catalog: Catalog,
  owner: string,
  offered: OfferedProduct[],
  options: {
    terms: Terms;
    before: MirrorState | undefined;
    /** Whether the bytes of a digest are here by now. */
    isStored: (digest: string) => boolean;
    /** Called before each change. @throws when nothing may be changed any more */
    assertMay: () => Promise<void>;
  },
): Promise<Followed> {
  const byName = new Map(offered.map((product) => [productName(product.key), product]));
  const followed: Followed = { retired: 0, kept: 0, aliases: { changed: 0, withheld: [] }, given: [] };
  const held: ProductWithVersions[] = [];
  for await (const product of catalog.products.each({ owner })) held.push(product);
  for (const product of held) {
    const said = byName.get(product.name);
    await options.assertMay();
    if (said !== undefined) await redescribe(catalog, owner, product, said);
    const serials = sortVersions(said?.versions ?? [], product.versions, options.isStored);
    const retired = retiredSerials(serials, options.terms);
    for (const serial of retired) {
      await options.assertMay();
      await catalog.versions.remove(product.name, serial);
    }
    if (options.terms.whole) await dropLostDeltas(catalog, product, said, options);
    followed.retired += retired.length;
    followed.kept += product.versions.length - retired.length;
  }
  const wanted = offeredAliases(offered);
  await options.assertMay();
  followed.aliases = await catalog.aliases.follow(owner, wanted, dropped(options.before, wanted, offered));
  return { ...followed, given: [...wanted] };
}

async function dropLostDeltas(
  catalog: Catalog,
  product: ProductWithVersions,
  said: OfferedProduct | undefined,
  options: { isStored: (digest: string) => boolean; assertMay: () => Promise<void> },
): Promise<void> {
  const offered = new Map(said?.versions.map((version) => [version.serial, version]));
  for (const { serial, items } of product.versions) {
    const lost = lostDeltas(offered.get(serial), items, options.isStored);
    if (lost.length === 0) continue;
    await options.assertMay();
    await catalog.versions.removeDeltas(product.name, serial, lost);
  }
}

/** Aliases that the upstream gave before to a family that it still has, and gives no more. */
function dropped(
  before: MirrorState | undefined,
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
  if (!same) await catalog.versions.redescribe(product.name, owner, next);
}
