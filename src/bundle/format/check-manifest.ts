import { HeadwaterError } from '../../errors.ts';
import type { CarriedBlob, Manifest } from './manifest-schema.ts';

/**
 * Checks that the parts of a manifest agree: `carried` and `assumed` are together exactly the blobs of `versions`, with one
 * size each, pieces cover their blob without gaps, volumes exist, and each version has a product.
 * @throws HeadwaterError `invalid`, naming what disagrees
 */
export function checkManifest(manifest: Manifest, where: string): void {
  const wrong = (problem: string) => new HeadwaterError('invalid', `${where}: ${problem}`);
  const sizes = new Map<string, number>();
  for (const { digest, size } of [...manifest.carried, ...manifest.assumed]) {
    if (sizes.has(digest)) throw wrong(`${digest} is listed twice in carried and assumed`);
    sizes.set(digest, size);
  }
  const products = new Set<string>();
  for (const { stream, name } of manifest.products) {
    if (products.has(`${stream}/${name}`)) throw wrong(`product ${stream}/${name} is listed twice`);
    products.add(`${stream}/${name}`);
  }
  const versions = new Set<string>();
  const named = new Set<string>();
  for (const { stream, product, serial, items } of manifest.versions) {
    const version = `${stream}/${product} ${serial}`;
    if (!products.has(`${stream}/${product}`)) throw wrong(`version ${version} has no product`);
    if (versions.has(version)) throw wrong(`version ${version} is listed twice`);
    versions.add(version);
    if (new Set(items.map(({ file }) => file)).size < items.length) {
      throw wrong(`version ${version} has two files of the same name`);
    }
    for (const { digest, size } of items) {
      const known = sizes.get(digest);
      if (known === undefined) throw wrong(`${digest} of version ${version} is neither carried nor assumed`);
      if (known !== size) throw wrong(`${digest} has ${known} bytes, and ${size} in version ${version}`);
      named.add(digest);
    }
  }
  for (const { stream, product, serial } of manifest.withdrawn ?? []) {
    const version = `${stream}/${product} ${serial}`;
    if (versions.has(version)) throw wrong(`version ${version} is listed, and withdrawn`);
  }
  checkDocuments(manifest, wrong);
  for (const digest of sizes.keys()) {
    if (!named.has(digest)) throw wrong(`${digest} belongs to no version`);
  }
  for (const blob of manifest.carried) checkPlace(blob, wrong);
  // A reader goes through all volumes: without this, a few bytes could make it read without end.
  const used = new Set([1, ...manifest.carried.flatMap(volumesOf)]);
  const { count } = manifest.volumes;
  if (used.size !== count || [...used].some((volume) => volume > count)) {
    throw wrong(`volumes.count is ${count}, and blobs are in ${used.size} volumes`);
  }
  const bytes = manifest.carried.reduce((sum, { size }) => sum + size, 0);
  if (bytes !== manifest.volumes.bytes) {
    throw wrong(`volumes.bytes is ${manifest.volumes.bytes}, and the carried blobs have ${bytes} bytes`);
  }
}

/** Documents and versions must name each other. */
function checkDocuments({ documents = [], versions }: Manifest, wrong: (problem: string) => Error): void {
  const unnamed = new Set<string>();
  for (const { sha256, detached, signature } of documents) {
    if (unnamed.has(sha256)) throw wrong(`document ${sha256} is listed twice`);
    if (detached !== (signature !== undefined)) {
      throw wrong(`document ${sha256}: a detached signature has a size, and no other has`);
    }
    unnamed.add(sha256);
  }
  const known = new Set(unnamed);
  for (const { stream, product, serial, document } of versions) {
    if (document === undefined) continue;
    if (!known.has(document)) {
      throw wrong(`version ${stream}/${product} ${serial} refers to document ${document}, which is missing`);
    }
    unnamed.delete(document);
  }
  const [unused] = unnamed;
  if (unused !== undefined) throw wrong(`document ${unused} belongs to no version`);
}

function checkPlace(blob: CarriedBlob, wrong: (problem: string) => Error): void {
  const { digest, size, volume, pieces } = blob;
  if ((volume === undefined) === (pieces === undefined)) {
    throw wrong(`${digest}: expected either volume or pieces`);
  }
  const places = pieces ?? [{ offset: 0, size, volume: volume ?? 1 }];
  let end = 0;
  let last = 0;
  for (const piece of places) {
    if (piece.offset !== end) throw wrong(`${digest}: a piece begins at ${piece.offset}, not at ${end}`);
    if (piece.volume <= last) throw wrong(`${digest}: two pieces in volume ${piece.volume}, or out of order`);
    end += piece.size;
    last = piece.volume;
  }
  if (end !== size) throw wrong(`${digest}: its pieces have ${end} of ${size} bytes`);
}

function volumesOf({ volume = 1, pieces }: CarriedBlob): number[] {
  return pieces?.map((piece) => piece.volume) ?? [volume];
}
