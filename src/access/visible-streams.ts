import type { Catalog } from '../catalog/catalog.ts';
import type { Access, Identity } from './access.ts';
import { readable } from './readable.ts';

/**
 * Whether an identity may know that a stream exists. Rights that are limited to names show a private stream only if it
 * has a product that they may read.
 */
export async function seesStream(
  { catalog, access }: { catalog: Catalog; access: Access },
  identity: Identity,
  stream: string,
): Promise<boolean> {
  if (access.isPublic(stream)) return true;
  if (!access.mayRead(identity, { stream })) return false;
  if (identity?.names === undefined) return true;
  for await (const product of catalog.products.each({ stream })) {
    if (readable(access, identity, product) !== undefined) return true;
  }
  return false;
}
