import { isPushed } from '../../catalog/products/ownership.ts';
import { defined } from '../../model/defined.ts';
import { type ImageType, imageTypeOf, isUnified } from '../../model/item-types.ts';
import type { Item, Product, ProductWithVersions, Version } from '../../model/versions.ts';

/** An image of a version, as clients know it. */
export interface ImageView {
  type: ImageType;
  /** The file of its root. */
  file: string;
  fingerprint: string;
  /** Bytes of metadata and root: what a client downloads. */
  size: number;
}

/** A version with the details of its product, as `list --json` and `show --json` print it. */
export interface VersionView {
  product: string;
  serial: string;
  os: string;
  release: string;
  architecture: string;
  variant: string;
  stream: string;
  owner: string;
  /** Of a pushed version, for those who may know: `client:NAME` or `token:NAME`. */
  pushedBy?: string;
  osTitle: string;
  releaseTitle: string;
  label: string;
  supportEol: string | null;
  requirements: Record<string, string>;
  aliases: string[];
  /** Whether aliases point to it. */
  newest: boolean;
  /** ISO 8601 */
  publishedAt: string;
  images: ImageView[];
  files: { name: string; type: string; sha256: string; size: number }[];
}

/** The versions of a product, oldest first. */
export function viewsOf(product: ProductWithVersions): VersionView[] {
  return product.versions.map((version, index) =>
    view(product, version, index === product.versions.length - 1),
  );
}

function view(product: Product, version: Version, newest: boolean): VersionView {
  return {
    product: product.name,
    serial: version.serial,
    os: product.os,
    release: product.release,
    architecture: product.architecture,
    variant: product.variant,
    stream: product.stream,
    owner: product.owner,
    ...defined({ pushedBy: version.pushedBy }),
    osTitle: product.osTitle,
    releaseTitle: product.releaseTitle,
    label: version.label,
    supportEol: product.supportEol ?? null,
    requirements: product.requirements,
    aliases: product.aliases,
    newest,
    publishedAt: version.publishedAt.toISOString(),
    images: imagesOf(version.items),
    files: version.items.map(({ file, type, digest, size }) => ({ name: file, type, sha256: digest, size })),
  };
}

/**
 * What people call a version: its product. A pushed image, whose product has a name made from an alias, goes by that alias with
 * the architecture, or by its fingerprint when it has no alias.
 */
export function shownName(version: VersionView): string {
  if (!isPushed(version)) return version.product;
  const [alias] = version.aliases;
  if (alias !== undefined) return `${alias}/${version.architecture}`;
  return version.images[0]?.fingerprint.slice(0, 12) ?? version.product;
}

function imagesOf(items: Item[]): ImageView[] {
  const metadata = items.find(({ type }) => type === 'metadata')?.size ?? 0;
  return items.flatMap(({ file, type, fingerprint, size }) => {
    const image = imageTypeOf(type);
    if (image === undefined || fingerprint === undefined) return [];
    return [{ type: image, file, fingerprint, size: isUnified(type) ? size : metadata + size }];
  });
}
