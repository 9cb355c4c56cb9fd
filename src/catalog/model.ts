import type { ProductKey } from './names.ts';

/**
 * The ftype of an item as simplestreams clients know it, but for two that are rendered twice, once for each family
 * of clients: `metadata` (`lxd.tar.xz` and `incus.tar.xz`) and `combined` (`lxd_combined.tar.gz` and
 * `incus_combined.tar.gz`).
 */
export type ItemType =
  | 'metadata'
  | 'combined'
  | 'squashfs'
  | 'root.tar.xz'
  | 'disk-kvm.img'
  | 'squashfs.vcdiff';

/** A file of a version. */
export interface Item {
  /** Its name within the version's directory, unique there: `rootfs.squashfs`. */
  file: string;
  type: ItemType;
  /** SHA-256 in hexadecimal. */
  digest: string;
  /** Bytes. */
  size: number;
  /**
   * On a root: sha256(metadata bytes, then root bytes), which is what LXD and Incus call the image's fingerprint.
   * On `combined`: the digest itself. Absent on `metadata` and on deltas.
   */
  fingerprint?: string;
  /**
   * On a delta (`squashfs.vcdiff`): the serial of the version whose squashfs it makes this version's of. It is
   * announced only beside that version, and does not count when versions are compared.
   */
  deltaBase?: string;
}

/** What is said of a product beside its name; the newest publish wins. */
export interface ProductDetails {
  /** The distribution's name as people write it; the product name holds it in lower case. */
  osTitle: string;
  releaseTitle: string;
  /** `YYYY-MM-DD` */
  supportEol?: string;
  /** Given to clients as image properties `requirements.*`. */
  requirements: Record<string, string>;
}

/** A version about to be published: all its blobs are in the store. */
export interface VersionDraft {
  product: ProductKey;
  stream: string;
  /** Who publishes: `local`, later also a mirror or a client. A product and an alias have one owner. */
  owner: string;
  details: ProductDetails;
  aliases: string[];
  /** `YYYYMMDD_HHMM`, UTC */
  serial: string;
  label: string;
  items: Item[];
}

export interface Product extends ProductKey, ProductDetails {
  /** `os:release:architecture:variant` */
  name: string;
  stream: string;
  owner: string;
  aliases: string[];
}

export interface Version {
  serial: string;
  label: string;
  publishedAt: Date;
  items: Item[];
}

export interface ProductWithVersions extends Product {
  /** Oldest first. */
  versions: Version[];
}
