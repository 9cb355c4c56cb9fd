import { defined } from '../../model/defined.ts';
import { factsOf, publishedNames } from '../../model/item-types.ts';
import type { Item, ProductWithVersions, Version } from '../../model/versions.ts';
import { imagePath, streamPath } from './paths.ts';

// Clients decode documents into fixed types, and one field of the wrong type makes them refuse the whole remote:
// everything here is text but `size`, which is an integer.

/**
 * A product as it stands in a products document: `"name":{…}`. A version that is not its newest and has aliases pinned
 * to it stands in an entry of its own, because clients take the newest version of whatever has the alias; and only
 * there, because they refuse an image that is listed twice ("More than one match").
 */
export function renderProduct(product: ProductWithVersions): string {
  const newest = product.versions.at(-1)?.serial;
  const pinned = new Map<string, string[]>();
  const aliases = [...product.aliases];
  for (const { alias, serial } of product.pins) {
    if (serial === newest) aliases.push(alias);
    else pinned.set(serial, [...(pinned.get(serial) ?? []), alias]);
  }
  const own = product.versions.filter(({ serial }) => !pinned.has(serial));
  const entries = [renderEntry(product.name, product, aliases.sort(), own)];
  for (const version of product.versions) {
    const names = pinned.get(version.serial);
    if (names === undefined) continue;
    entries.push(renderEntry(`${product.name}:${version.serial}`, product, names, [version]));
  }
  return entries.join();
}

function renderEntry(
  name: string,
  product: ProductWithVersions,
  aliases: string[],
  versions: Version[],
): string {
  const requirements = product.requirements;
  const some = Object.keys(requirements).length > 0;
  return `${JSON.stringify(name)}:${JSON.stringify({
    aliases: aliases.join(','),
    arch: product.architecture,
    os: product.osTitle,
    release: product.releaseShown ?? product.release,
    release_title: product.releaseTitle,
    ...defined({ support_eol: product.supportEol }),
    variant: product.variant,
    // LXD 5.0.2 reads only the second, Incus only the first.
    ...(some ? { requirements, lxd_requirements: requirements } : {}),
    versions: Object.fromEntries(
      versions.map((version) => [version.serial, renderVersion(product, version)]),
    ),
  })}`;
}

function renderVersion(product: ProductWithVersions, version: Version) {
  const fingerprints: Record<string, string> = {};
  for (const { type, fingerprint } of version.items) {
    if (fingerprint === undefined) continue;
    for (const { fingerprintFields: [field] = [] } of factsOf(type).published) {
      if (field !== undefined) fingerprints[field] = fingerprint;
    }
  }
  // Clients cannot use a delta from a version that they do not see.
  const isListed = ({ deltaBase }: Item) =>
    deltaBase === undefined ||
    (deltaBase !== version.serial && product.versions.some(({ serial }) => serial === deltaBase));
  const listed = version.items.filter(isListed);
  const items = listed.flatMap((item: Item) =>
    publishedNames(item).map(({ ftype, file }) => [
      // Clients ignore the name of an entry, but there may be deltas from several versions.
      item.deltaBase === undefined ? ftype : file,
      {
        ftype,
        path: imagePath(product, version.serial, file),
        sha256: item.digest,
        size: item.size,
        ...defined({ delta_base: item.deltaBase }),
        ...(item.type === 'metadata' ? fingerprints : {}),
      },
    ]),
  );
  return { label: version.label, items: Object.fromEntries(items) };
}

/**
 * The text before and after the products in a products document.
 * @param updated the time of the last change of the document
 */
export function productsFrame(
  stream: string,
  updated: Date,
): { before: string; between: string; after: string } {
  const head = JSON.stringify({
    content_id: stream,
    datatype: 'image-downloads',
    format: 'products:1.0',
    updated: writeUpdated(updated),
  });
  return { before: `${head.slice(0, -1)},"products":{`, between: ',', after: '}}' };
}

/**
 * The index of some streams, each with the names of its products. Streams without products are left out.
 * @param options.pathOf the paths of the products documents
 * @param options.updated the time of the last change of the index
 */
export function renderIndex(
  streams: { name: string; products: readonly string[] }[],
  { updated, pathOf = streamPath }: { updated: Date; pathOf?: (stream: string) => string },
): string {
  const entries = streams
    .filter(({ products }) => products.length > 0)
    .map(({ name, products }) => [
      name,
      { datatype: 'image-downloads', format: 'products:1.0', path: pathOf(name), products },
    ]);
  const index = Object.fromEntries(entries);
  return JSON.stringify({ format: 'index:1.0', updated: writeUpdated(updated), index });
}

/** A time as other upstreams write it: `Tue, 24 Nov 2026 08:11:02 +0000` (RFC 2822, section 3.3). */
function writeUpdated(time: Date): string {
  return time.toUTCString().replace('GMT', '+0000');
}
