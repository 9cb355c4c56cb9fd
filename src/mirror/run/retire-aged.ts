import type { Catalog } from '../../catalog/catalog.ts';
import { ownerOf } from '../../catalog/products/ownership.ts';
import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { retiredSerials } from '../plan/retention.ts';

/**
 * Retires versions beyond `keep.age`, which happens without a change of the upstream.
 * @param assertMay called before each change. @throws when the run may change nothing any more
 * @returns how many versions
 */
export async function retireAged(
  catalog: Catalog,
  { name: mirror, keep }: Pick<MirrorDefinition, 'name' | 'keep'>,
  assertMay: () => Promise<void>,
): Promise<number> {
  if (keep.age === undefined) return 0;
  let retired = 0;
  for await (const { stream, name, versions } of catalog.products.each({ owner: ownerOf(mirror) })) {
    const held = new Set(versions.map(({ serial }) => serial));
    // It is not known what is still offered, so the newest stays.
    const offered = new Set([...held].sort().slice(-1));
    const terms = { keep, now: new Date(), isComplete: false };
    for (const serial of retiredSerials({ offered, held, stored: held }, terms)) {
      await assertMay();
      await catalog.versions.remove({ stream, name }, serial);
      retired += 1;
    }
  }
  return retired;
}
