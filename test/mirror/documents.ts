import { createHash } from 'node:crypto';
import type { SelectRule } from '../../src/config/mirror-schema.ts';
import { Selection } from '../../src/mirror/plan/selection.ts';
import { type OfferedProduct, Skips } from '../../src/simplestreams/read/offered.ts';
import { readOffer, type Totals } from '../../src/simplestreams/read/offered-document.ts';

/** A products document, as little of one as a test needs. */
export function document(products: Record<string, unknown>, more: Record<string, unknown> = {}) {
  return { content_id: 'images', datatype: 'image-downloads', format: 'products:1.0', ...more, products };
}

/** A product as the image servers of LXD and Incus list them. */
export function product(
  versions: Record<string, unknown>,
  fields: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    aliases: 'debian/bookworm/default,debian/bookworm',
    arch: 'amd64',
    os: 'Debian',
    release: 'bookworm',
    release_title: 'bookworm',
    variant: 'default',
    versions,
    ...fields,
  };
}

/** A version with metadata and the roots given. */
export function version(name: string, ftypes: string[] = ['squashfs'], more: Record<string, unknown> = {}) {
  const items = Object.fromEntries(
    ['lxd.tar.xz', ...ftypes].map((ftype) => [ftype, item(`${name}/${ftype}`, ftype)]),
  );
  return { items, ...more };
}

/** An item whose digest is made up from its path. */
export function item(path: string, ftype: string, more: Record<string, unknown> = {}) {
  return { ftype, path: `images/${path}`, sha256: hash(path), size: 1000, ...more };
}

export function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Reads a document as a mirror with these rules does. */
export function offeredBy(
  content: unknown,
  options: { select?: SelectRule[]; variant?: string; deltas?: boolean } = {},
): { offered: OfferedProduct[]; skips: Skips; totals: Totals; selection: Selection } {
  const selection = new Selection(options.select ?? [{}]);
  const skips = new Skips();
  const { variant = 'default', deltas = true } = options;
  const bytes = Buffer.from(JSON.stringify(content));
  const { offered, totals } = readOffer(bytes, 'images.json', {
    select: selection.apply,
    skips,
    variant,
    deltas,
  });
  return { offered, skips, totals, selection };
}
