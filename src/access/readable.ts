import { ownNames } from '../catalog/products/ownership.ts';
import type { Target } from '../model/rights.ts';
import type { Product, ProductWithVersions } from '../model/versions.ts';

/** What decides who may read (`Access`). */
interface ReadRights<Who> {
  isPublic(stream: string): boolean;
  may(identity: Who, action: 'read', target: Target): boolean;
  mayRead(identity: Who, target: Target): boolean;
  mayKnowPusher(identity: Who, pushedBy: string): boolean;
}

/** Whether somebody may read a product at all: by a name of its own, or by an alias that points to it. */
function mayReadProduct<Who>(access: ReadRights<Who>, identity: Who, product: Product): boolean {
  const { stream, aliases, pins } = product;
  const names = [...ownNames(product, aliases), ...aliases, ...pins.map(({ alias }) => alias)];
  return access.mayRead(identity, { stream, names });
}

/**
 * A product as far as somebody may read it, with the versions and the aliases that are for that somebody: those who have
 * no right to the product see what is public of it, and what aliases are pinned to that they may read. Who pushed a version is
 * left out unless that identity pushed it or is an administrator.
 * @returns undefined where nothing is left
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
  // Its versions were removed, and were hidden perhaps.
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
