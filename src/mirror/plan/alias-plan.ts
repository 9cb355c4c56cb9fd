import { compareText } from '../../model/compare.ts';
import { type Family, impliedAliases } from '../../model/names.ts';
import type { OfferedProduct } from '../../simplestreams/read/offered.ts';

/** The family that each alias points to. */
export type AliasMap = Map<string, Family>;

/**
 * The aliases that the upstream gives to selected products, and those that every product has. An alias that several families
 * claim points to the first in alphabetical order, as in clients (`applyAliases` of simplestreams clients).
 */
export function offeredAliases(products: OfferedProduct[]): AliasMap {
  const aliases: AliasMap = new Map();
  const families = products
    .map(({ key, details }) => {
      const { os, release, variant } = key;
      return {
        family: { os, release, variant },
        names: [...impliedAliases(key), ...(details.aliases ?? [])],
      };
    })
    .sort((one, other) => compareText(familyName(one.family), familyName(other.family)));
  for (const { family, names } of families) {
    for (const name of names) if (!aliases.has(name)) aliases.set(name, family);
  }
  return aliases;
}

function familyName({ os, release, variant }: Family): string {
  // The separator sorts before any character of a name, so that os, release and variant are compared one by one.
  return `${os}\0${release}\0${variant}`;
}
