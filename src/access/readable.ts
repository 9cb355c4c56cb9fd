import { ownNames } from '../catalog/products/ownership.ts';
import type { Target } from '../model/rights.ts';
import type { Product, ProductWithVersions } from '../model/versions.ts';

/** The part of `Access` that decides about reading. */
interface ReadRights<Who> {
  isPublic(stream: string): boolean;
  may(identity: Who, action: 'read', target: Target): boolean;
  mayRead(identity: Who, target: Target): boolean;
  mayKnowPusher(identity: Who, pushedBy: string): boolean;
}

/** Whether an identity may read a product at all: by the product's own names, or by an alias that points to it. */
function mayReadProduct<Who>(access: ReadRights<Who>, identity: Who, product: Product): boolean {
  const { stream, aliases, pins } = product;
  const names = [...ownNames(product, aliases), ...aliases, ...pins.map(({ alias }) => alias)];
  return access.mayRead(identity, { stream, names });
}

/**
 * The part of a product that an identity may read. Without a right to the product, these are its public versions, and
 * the versions to which readable aliases are pinned. The pusher of a version is omitted unless it is that identity, or
 * the identity is an administrator.
 * @returns undefined when the identity may read nothing of it
 */
export function readable<Who>(
  access: ReadRights<Who>,
  identity: Who,
  product: ProductWithVersions,
): ProductWithVersions | undefined {
  const visible = visibleParts(access, identity, product);
  if (visible?.versions.some(({ pushedBy }) => pushedBy !== undefined) !== true) return visible;
  const versions = visible.versions.map(({ pushedBy, ...version }) =>
    pushedBy !== undefined && access.mayKnowPusher(identity, pushedBy) ? { ...version, pushedBy } : version,
  );
  return { ...visible, versions };
}

function visibleParts<Who>(
  access: ReadRights<Who>,
  identity: Who,
  product: ProductWithVersions,
): ProductWithVersions | undefined {
  if (!mayReadProduct(access, identity, product)) return undefined;
  const { stream, aliases } = product;
  const isHidden = product.versions.some(({ hidden }) => hidden);
  const own = ownNames(product, aliases);
  if (access.may(identity, 'read', { stream, names: own })) return product;
  // Its versions were removed, and some may have been hidden.
  if (product.versions.length === 0) return undefined;
  if (!isHidden) return product;
  const isShown = ({ serial, hidden }: { serial: string; hidden: boolean }) =>
    hidden
      ? product.pins.some(
          (pin) => pin.serial === serial && access.may(identity, 'read', { stream, names: [pin.alias] }),
        )
      : access.isPublic(stream);
  const versions = product.versions.filter(isShown);
  if (versions.length === 0) return undefined;
  const open = versions.filter(({ hidden }) => !hidden).map(({ serial }) => serial);
  return {
    ...product,
    versions,
    aliases: open.length > 0 ? aliases : [],
    pins: product.pins.filter(
      ({ alias, serial }) =>
        open.includes(serial) || access.may(identity, 'read', { stream, names: [alias] }),
    ),
  };
}
