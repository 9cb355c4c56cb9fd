import type { VersionEvidence } from './evidence.ts';
import type { ItemType } from './item-types.ts';
import type { ProductKey } from './names.ts';

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
   * On a unified image: the digest itself. Absent on `metadata` and on deltas.
   */
  fingerprint?: string;
  /**
   * For a delta (`squashfs.vcdiff`): the serial of the version to whose squashfs it applies. It is listed only beside
   * that version, and does not count when versions are compared.
   */
  deltaBase?: string;
}

/** The details of a product beside its name; those of the newest publish apply. */
export interface ProductDetails {
  /** The distribution's name as people write it; the product name contains it in lower case. */
  osTitle: string;
  releaseTitle: string;
  /** The release that documents name, where it is not the one in the product's name: of pushed images. */
  releaseShown?: string;
  /** `YYYY-MM-DD` */
  supportEol?: string;
  /** Given to clients as image properties `requirements.*`. */
  requirements: Record<string, string>;
}

/** An alias that a version should have. */
export interface AliasClaim {
  name: string;
  /** The action when it points to another product: the publish is refused, or continues without the alias. */
  ifTaken: 'refuse' | 'withhold';
}

/** A version about to be published: all its blobs are in the store. */
export interface VersionDraft {
  product: ProductKey;
  stream: string;
  /** Who publishes: `local`, later also a mirror or a client. A product and an alias have one owner. */
  owner: string;
  details: ProductDetails;
  aliases: AliasClaim[];
  /** `YYYYMMDD_HHMM`, UTC */
  serial: string;
  /**
   * The serial was not given: it is the current minute, or that of the creation date, which reproducible builds may
   * have in common. Where it is taken by other files, the next free minute is used; where the product has a version
   * with the same files already, that is the one.
   */
  serialIsDerived?: boolean;
  /** The name of the version at the upstream of a mirror. */
  upstreamName?: string;
  /** What vouches for it, if it comes from elsewhere. */
  evidence?: VersionEvidence;
  label: string;
  items: Item[];
  /** Rules that the image breaks and that are set to `warn`: for the audit log. */
  warnings?: string[];
}

export interface Product extends ProductKey, ProductDetails {
  /** `os:release:architecture:variant` */
  name: string;
  stream: string;
  /** The directory below `images/` that holds its files, where another stream had a product of this name before. */
  place?: string;
  owner: string;
  /** The aliases that follow its newest version. */
  aliases: string[];
  /** The aliases that are pinned to one of its versions. */
  pins: Pin[];
}

/** An alias that is pinned to a version. */
interface Pin {
  alias: string;
  serial: string;
}

export interface Version {
  serial: string;
  label: string;
  publishedAt: Date;
  /** Documents do not list it, and only those who may read the stream by right may have it. */
  hidden: boolean;
  /** Of a pushed version: `client:NAME` or `token:NAME`. Only for this machine, administrators and the pusher. */
  pushedBy?: string;
  items: Item[];
}

export interface ProductWithVersions extends Product {
  /** Oldest first. */
  versions: Version[];
}
