import { factsOf, itemTypeNames } from '../../model/item-types.ts';
import type { ProductKey } from '../../model/names.ts';

/** The path of a stream's products document, from the server's root. */
export function streamPath(stream: string): string {
  return `streams/v1/${stream}.json`;
}

/** The path of a stream's clear-signed products document, which the clear-signed index names. */
export function signedStreamPath(stream: string): string {
  return `streams/v1/${stream}.sjson`;
}

/** The path of a file of a version: below the product's place, where it has one. */
export function imagePath(key: ProductKey & { place?: string }, serial: string, file: string): string {
  const place = key.place === undefined ? '' : `${key.place}/`;
  return `images/${place}${key.os}/${key.release}/${key.architecture}/${key.variant}/${serial}/${file}`;
}

/** Names of files that clients ask for, and the file of the catalog that each stands for. */
const catalogFiles = new Map(
  itemTypeNames.flatMap((type) => {
    const { file, published } = factsOf(type);
    return published.flatMap((name) => (name.file === undefined ? [] : [[name.file, file] as const]));
  }),
);

/** The file of the catalog that a requested file stands for: the inverse of `publishedNames`. */
export function catalogFile(file: string): string {
  return catalogFiles.get(file) ?? file;
}
