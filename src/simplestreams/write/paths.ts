import type { ProductKey } from '../../model/names.ts';
import type { Item, ItemType } from '../../model/versions.ts';

/** The path of the index, from the server's root. */
export const indexPath = 'streams/v1/index.json';

/** The path of a stream's products document. */
export function streamPath(stream: string): string {
  return `streams/v1/${stream}.json`;
}

/** The path of a file of a version. */
export function imagePath(key: ProductKey, serial: string, file: string): string {
  return `images/${key.os}/${key.release}/${key.architecture}/${key.variant}/${serial}/${file}`;
}

/**
 * What is offered twice: LXD reads only the first name, Incus only the second, so each gets its own, over the same
 * bytes.
 */
const twins: Partial<Record<ItemType, [lxd: string, incus: string]>> = {
  metadata: ['lxd.tar.xz', 'incus.tar.xz'],
  combined: ['lxd_combined.tar.gz', 'incus_combined.tar.gz'],
};

/** The names under which clients find an item: its ftype and its file. None for what documents do not list. */
export function faces(item: Item): { ftype: string; file: string }[] {
  if (item.type === 'combined-disk') return [];
  const names = twins[item.type];
  if (names === undefined) return [{ ftype: item.type, file: item.file }];
  return names.map((name) => ({ ftype: name, file: name }));
}

/** The file of the catalog that a file asked for stands for: the inverse of {@link faces}. */
export function catalogFile(file: string): string {
  for (const [lxd, incus] of Object.values(twins)) if (file === incus) return lxd;
  return file;
}
