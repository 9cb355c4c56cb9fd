import { isPushed } from '../catalog/products/ownership.ts';
import { compareText } from '../model/compare.ts';
import { impliedAliases } from '../model/names.ts';
import type { ProductWithVersions } from '../model/versions.ts';
import { isTag } from './names.ts';

/** The versions to which a tag points: the newest of each product of a family, or those of one serial. */
export interface TagTarget {
  products: ProductWithVersions[];
  /** The newest one if omitted. */
  serial?: string;
}

/** A tag that a name of a product asks for. Of two, the one with the lower rank counts. */
interface Claim {
  tag: string;
  rank: number;
  product: ProductWithVersions;
  serial?: string;
}

const ownName = 0;
const alias = 1;
/** Of an alias with slashes, which a tag cannot have. */
const foldedAlias = 2;
const ofSerial = 3;

/**
 * The tags of a repository:
 * - of products whose os is `path`: `RELEASE`, or `RELEASE-VARIANT` for another variant than `default`;
 * - of aliases below `path`: the rest of the alias, with `-` for each slash, or `latest` for an alias that is `path`;
 * - of each version that such a tag has pointed to: the tag and the serial, `RELEASE-20260131_0524`.
 *
 * A tag that two names ask for in the same way points to neither. Names that no tag can have are left out.
 */
export function tagsOf(path: string, products: readonly ProductWithVersions[]): Map<string, TagTarget> {
  const claims = new Map<string, Claim[]>();
  for (const claim of products.flatMap((product) => [...claimsOf(path, product)])) {
    if (!isTag(claim.tag)) continue;
    const others = claims.get(claim.tag);
    if (others === undefined) claims.set(claim.tag, [claim]);
    else others.push(claim);
  }
  const targets = new Map<string, TagTarget>();
  for (const [tag, all] of [...claims].sort(([one], [other]) => compareText(one, other))) {
    const rank = Math.min(...all.map((claim) => claim.rank));
    const best = all.filter((claim) => claim.rank === rank);
    const [first] = best;
    if (first === undefined || best.some((claim) => meaning(claim) !== meaning(first))) continue;
    const { serial } = first;
    targets.set(tag, {
      products: [...new Set(best.map(({ product }) => product))],
      ...(serial === undefined ? {} : { serial }),
    });
  }
  return targets;
}

function* claimsOf(path: string, product: ProductWithVersions): Generator<Claim> {
  const { release, variant } = product;
  const following: Omit<Claim, 'product'>[] = [];
  if (product.os === path && !isPushed(product)) {
    following.push({ tag: variant === 'default' ? release : `${release}-${variant}`, rank: ownName });
  }
  const implied = impliedAliases(product);
  for (const name of product.aliases) {
    // `os/release/default` says no more than `os/release`.
    if (variant === 'default' && name === implied.at(-1)) continue;
    const tag = tagOfAlias(path, name);
    if (tag !== undefined) following.push(tag);
  }
  for (const claim of following) {
    yield { ...claim, product };
    if (claim.tag === 'latest') continue;
    for (const { serial } of product.versions) {
      yield { tag: `${claim.tag}-${serial}`, rank: ofSerial, product, serial };
    }
  }
  for (const { alias: name, serial } of product.pins) {
    const tag = tagOfAlias(path, name);
    if (tag !== undefined) yield { ...tag, product, serial };
  }
}

function tagOfAlias(path: string, name: string): { tag: string; rank: number } | undefined {
  if (name === path) return { tag: 'latest', rank: alias };
  if (!name.startsWith(`${path}/`)) return undefined;
  const rest = name.slice(path.length + 1);
  return { tag: rest.replaceAll('/', '-'), rank: rest.includes('/') ? foldedAlias : alias };
}

/** Tells what a claim means: products of one family have the same. */
function meaning({ product: { os, release, variant }, serial = '' }: Claim): string {
  return JSON.stringify([os, release, variant, serial]);
}
