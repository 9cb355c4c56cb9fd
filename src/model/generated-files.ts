import { keysOf } from './keys-of.ts';

/** The files that Headwater makes from the items of a version, for clients that need another form. */
const generatedFiles = {
  /** LXC's own metadata, beside the root tarball. */
  'lxc-metadata': 'meta.tar.xz',
  /** The root tarball, compressed with xz. */
  'xz-root': 'rootfs.tar.xz',
  /** The root as a tarball, compressed with gzip: a layer for clients of OCI registries. */
  'gzip-root': 'rootfs.tar.gz',
} as const;

/** The kind of a generated file. The names are kept in catalogs: they stay. */
export type GeneratedKind = keyof typeof generatedFiles;

/** The compressions of roots that are made, by kind. */
export const rootForms = { 'xz-root': 'xz', 'gzip-root': 'gzip' } as const;

/** A kind of root that is made of another root. */
export type RootForm = keyof typeof rootForms;

/** All kinds. */
export const generatedKinds: readonly GeneratedKind[] = keysOf(generatedFiles);

/** The name of a generated file in the directory of its version. */
export function generatedFileName(kind: GeneratedKind): string {
  return generatedFiles[kind];
}

/** A file that Headwater made for a version. It is no item: documents of simplestreams do not list it. */
export interface GeneratedFile {
  kind: GeneratedKind;
  /** Its name in the directory of the version. */
  file: string;
  /** SHA-256 in hexadecimal. */
  digest: string;
  /** Bytes. */
  size: number;
}
