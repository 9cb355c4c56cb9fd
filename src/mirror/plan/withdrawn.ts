import { productName } from '../../model/names.ts';
import type { OfferedProduct, Skips } from '../../simplestreams/read/offered.ts';

/** A version as {@link withoutWithdrawn} knows it. */
export function withdrawnKey({ product, serial }: { product: string; serial: string }): string {
  return `${product}@${serial}`;
}

/**
 * Leaves out versions that were withdrawn here. A product without any other version is left out, too.
 * @param withdrawn {@link withdrawnKey}
 * @param skips counts them
 */
export function withoutWithdrawn(
  offered: readonly OfferedProduct[],
  withdrawn: ReadonlySet<string>,
  skips: Skips,
): OfferedProduct[] {
  if (withdrawn.size === 0) return [...offered];
  return offered.flatMap((product) => {
    const name = productName(product.key);
    const versions = product.versions.filter(({ serial }) => {
      if (!withdrawn.has(withdrawnKey({ product: name, serial }))) return true;
      skips.add('the version was withdrawn here', `${name} ${serial}`);
      return false;
    });
    return versions.length === 0 ? [] : [{ ...product, versions }];
  });
}
