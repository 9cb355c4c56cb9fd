/** The kind of instance of an image. */
export type ImageType = 'container' | 'virtual-machine';

/** A name under which documents list an item. */
interface ListedName {
  readonly ftype: string;
  /** The file that clients download; the item's own if omitted. */
  readonly file?: string;
  /**
   * For a root: fields of the metadata entry that contain the image's fingerprint. The first is written, all are read,
   * in this order.
   */
  readonly fingerprintFields?: readonly string[];
}

interface ItemTypeFacts {
  /** The kind of instance of an image with this root. Absent for files that are not roots. */
  readonly image?: ImageType;
  /** Metadata and root are in this one file: its digest is the image's fingerprint. */
  readonly unified?: true;
  readonly format: 'tar' | 'squashfs' | 'qcow2' | 'vcdiff';
  /** Its name in the version's directory; how a root tarball is packed is added to it. */
  readonly file: string;
  /** How documents list it, once for each family of clients. Empty where only the LXD API offers it. */
  readonly published: readonly ListedName[];
  /** How other builders list the same thing, in the order that clients prefer: read, never written. */
  readonly alsoReadAs?: readonly ListedName[];
  /** What builders and exports call its file, the preferred name first. */
  readonly builderFiles?: readonly RegExp[];
}

const tar = String.raw`\.tar(?:\.(?:xz|gz|zst|bz2|lzma))?$`;

/** Tarballs by their names: an image file may be any of them. */
export const tarballFiles: readonly RegExp[] = [new RegExp(tar), /\.t[gx]z$/];

/** LXC's own metadata, which means nothing to LXD and Incus. */
export const lxcMetadataFile = new RegExp(`^meta${tar}`);

/**
 * The types of files in a version, the roots in the order that clients prefer. The names of types are kept in catalogs
 * and answered by the API: they stay.
 */
const itemTypes = {
  metadata: {
    format: 'tar',
    file: 'lxd.tar.xz',
    // LXD reads only the first name, Incus only the second: each gets its own, over the same bytes.
    published: [
      { ftype: 'lxd.tar.xz', file: 'lxd.tar.xz' },
      { ftype: 'incus.tar.xz', file: 'incus.tar.xz' },
    ],
    builderFiles: [
      new RegExp(`^lxd${tar}`),
      new RegExp(`^incus${tar}`),
      new RegExp(`^metadata${tar}`),
      new RegExp(`-(?:lxd|incus|metadata)${tar}`),
      new RegExp(`^meta-.*${tar}`),
      lxcMetadataFile,
    ],
  },
  squashfs: {
    image: 'container',
    format: 'squashfs',
    file: 'rootfs.squashfs',
    published: [{ ftype: 'squashfs', fingerprintFields: ['combined_squashfs_sha256'] }],
    builderFiles: [/^root(?:fs)?\.squashfs$/, /\.squashfs$/],
  },
  // Daemons look at the bytes, so a tarball that is packed otherwise is listed with this ftype, too; its file name is true.
  'root.tar.xz': {
    image: 'container',
    format: 'tar',
    file: 'rootfs.tar',
    published: [{ ftype: 'root.tar.xz', fingerprintFields: ['combined_rootxz_sha256', 'combined_sha256'] }],
    builderFiles: [/^root(?:fs)?\.tar\.xz$/, new RegExp(`(?:^|[-.])root(?:fs)?${tar}`)],
  },
  'disk-kvm.img': {
    image: 'virtual-machine',
    format: 'qcow2',
    file: 'disk.qcow2',
    published: [{ ftype: 'disk-kvm.img', fingerprintFields: ['combined_disk-kvm-img_sha256'] }],
    alsoReadAs: [
      { ftype: 'uefi1.img', fingerprintFields: ['combined_uefi1-img_sha256'] },
      { ftype: 'disk1.img', fingerprintFields: ['combined_disk1-img_sha256'] },
    ],
    builderFiles: [
      /^disk\.qcow2$/,
      /(?:^|-)disk-kvm\.img$/,
      /\.qcow2$/,
      /(?:^|-)uefi1\.img$/,
      /(?:^|-)disk1\.img$/,
    ],
  },
  combined: {
    image: 'container',
    unified: true,
    format: 'tar',
    file: 'lxd_combined.tar.gz',
    published: [
      { ftype: 'lxd_combined.tar.gz', file: 'lxd_combined.tar.gz' },
      { ftype: 'incus_combined.tar.gz', file: 'incus_combined.tar.gz' },
    ],
    builderFiles: [new RegExp(`^lxd_combined${tar}`), new RegExp(`^incus_combined${tar}`)],
  },
  // A virtual machine that was pushed as one tarball. Clients before Incus 7 would take it for a container.
  'combined-disk': {
    image: 'virtual-machine',
    unified: true,
    format: 'tar',
    file: 'combined_disk.tar.gz',
    published: [],
  },
  'squashfs.vcdiff': {
    format: 'vcdiff',
    file: 'delta.vcdiff',
    published: [{ ftype: 'squashfs.vcdiff' }],
  },
} as const satisfies Record<string, ItemTypeFacts>;

/** The type of a file in a version. */
export type ItemType = keyof typeof itemTypes;

/** All types, the roots in the order that clients prefer. */
export const itemTypeNames: readonly ItemType[] = Object.keys(itemTypes).filter(isItemType);

function isItemType(name: string): name is ItemType {
  return Object.hasOwn(itemTypes, name);
}

export function factsOf(type: ItemType): ItemTypeFacts {
  return itemTypes[type];
}

/** The kind of instance of an image with this root; undefined for other items. */
export function imageTypeOf(type: ItemType): ImageType | undefined {
  return factsOf(type).image;
}

/** Whether an item of this type contains metadata and root in one file. */
export function isUnified(type: ItemType): boolean {
  return factsOf(type).unified === true;
}

/** The names under which clients find an item: its ftype and its file. None for what documents do not list. */
export function publishedNames(item: { type: ItemType; file: string }): { ftype: string; file: string }[] {
  return factsOf(item.type).published.map(({ ftype, file }) => ({ ftype, file: file ?? item.file }));
}

/** A name under which documents list an item, and what it says. */
export interface KnownFtype extends ListedName {
  readonly type: ItemType;
}

/** All ftypes that are read, in the order that clients prefer. */
export const knownFtypes: readonly KnownFtype[] = itemTypeNames.flatMap((type) => {
  const { published, alsoReadAs = [] } = factsOf(type);
  return [...published, ...alsoReadAs].map((name) => ({ ...name, type }));
});

/** The type of the items that documents list with an ftype; undefined for those that clients pass over. */
export function typeOfFtype(ftype: string): ItemType | undefined {
  return knownFtypes.find((known) => known.ftype === ftype)?.type;
}

/** The file of a delta from the version with the serial `base`. */
export function deltaFile(base: string): string {
  return `delta.${base}.vcdiff`;
}
