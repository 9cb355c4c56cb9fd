import { HeadwaterError } from '../errors.ts';
import { type Content, compressionSuffixes } from '../image/content.ts';
import type { Digest } from '../model/digest.ts';
import { deltaFile, factsOf, type ItemType } from '../model/item-types.ts';
import type { Item } from '../model/versions.ts';
import type { Destination, StoredFile } from './destination/destination.ts';
import type { SourceFile } from './request.ts';

/**
 * The items of a split image: its metadata, and each root with the fingerprint of the two.
 * @param sources the files of the request
 * @throws HeadwaterError `invalid` when an image does not have its announced fingerprint
 */
export async function splitItems(
  destination: Destination,
  { metadata, roots }: { metadata: StoredFile; roots: StoredFile[] },
  sources: readonly SourceFile[],
): Promise<Item[]> {
  const items = [metadataItem(metadata)];
  for (const root of roots) {
    const fingerprint = await destination.fingerprint(metadata, root);
    const announced = sources.find(({ name }) => name === root.name)?.expectedFingerprint;
    if (announced !== undefined && announced !== fingerprint) {
      throw new HeadwaterError('invalid', `${root.name}: ${wrongFingerprint(fingerprint, announced)}`);
    }
    items.push(rootItem(root, fingerprint));
  }
  return items;
}

/** Says that an image has not the fingerprint that a document gives. */
export function wrongFingerprint(computed: string, announced: string): string {
  return `the fingerprint of the image is ${computed}, but the document says ${announced}: the document is wrong, or means another image`;
}

export function metadataItem(file: StoredFile): Item {
  return itemOf('metadata', file);
}

/** @param fingerprint of the image that the root makes with its metadata */
export function rootItem(root: StoredFile, fingerprint: Digest): Item {
  const { content } = root;
  const type = rootType(content);
  const packing = content.kind === 'rootfs-tarball' ? compressionSuffixes[content.compression] : '';
  return { ...itemOf(type, root, `${factsOf(type).file}${packing}`), fingerprint };
}

/** The item of a unified image. */
export function unifiedItem(file: StoredFile): Item {
  const isDisk = file.content.kind === 'unified' && file.content.type === 'virtual-machine';
  return { ...itemOf(isDisk ? 'combined-disk' : 'combined', file), fingerprint: file.digest };
}

export function deltaItems(deltas: StoredFile[], sources: SourceFile[]): Item[] {
  return deltas.map((delta) => {
    const source = sources.find((file) => file.name === delta.name);
    if (source?.from !== 'blob' || source.deltaBase === undefined) {
      throw new HeadwaterError(
        'invalid',
        `${delta.name} is a delta, and deltas are not published by hand: leave it out`,
      );
    }
    const { deltaBase } = source;
    return { ...itemOf('squashfs.vcdiff', delta, deltaFile(deltaBase)), deltaBase };
  });
}

/** @throws HeadwaterError `invalid` when two roots are of one kind */
export function assertOneOfEach(roots: StoredFile[]): void {
  const seen = new Map<string, StoredFile>();
  for (const root of roots) {
    const other = seen.get(root.content.kind);
    if (other !== undefined) {
      throw new HeadwaterError(
        'invalid',
        `${other.name} and ${root.name} are both a ${root.content.kind}: a version has one of each kind at most`,
      );
    }
    seen.set(root.content.kind, root);
  }
}

function rootType(content: Content): ItemType {
  switch (content.kind) {
    case 'squashfs':
      return 'squashfs';
    case 'qcow2':
      return 'disk-kvm.img';
    case 'rootfs-tarball':
      return 'root.tar.xz';
    default:
      throw new Error(`${content.kind} is no root`);
  }
}

function itemOf(type: ItemType, { digest, size }: StoredFile, file: string = factsOf(type).file): Item {
  return { file, type, digest, size };
}
