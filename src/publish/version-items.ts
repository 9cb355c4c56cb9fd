import { HeadwaterError } from '../errors.ts';
import type { Item } from '../model/versions.ts';
import type { Destination, KeptFile } from './destination/destination.ts';
import type { SourceFile } from './request.ts';
import { rootItem } from './root-item.ts';

export async function splitItems(
  destination: Destination,
  { metadata, roots }: { metadata: KeptFile; roots: KeptFile[] },
): Promise<Item[]> {
  const items: Item[] = [
    { file: 'lxd.tar.xz', type: 'metadata', digest: metadata.digest, size: metadata.size },
  ];
  for (const root of roots) {
    items.push({
      ...rootItem(root.content),
      digest: root.digest,
      size: root.size,
      fingerprint: await destination.fingerprint(metadata, root),
    });
  }
  return items;
}

export function deltaItems(deltas: KeptFile[], sources: SourceFile[]): Item[] {
  return deltas.map(({ name, digest, size }) => {
    const source = sources.find((file) => file.name === name);
    if (source?.from !== 'blob' || source.deltaBase === undefined) {
      throw new HeadwaterError(
        'invalid',
        `${name} is a delta, and deltas are not published by hand: leave it out`,
      );
    }
    const { deltaBase } = source;
    return { file: `delta.${deltaBase}.vcdiff`, type: 'squashfs.vcdiff', digest, size, deltaBase };
  });
}

export function combinedItem({ digest, size }: KeptFile): Item {
  return { file: 'lxd_combined.tar.gz', type: 'combined', digest, size, fingerprint: digest };
}

export function assertOneOfEach(roots: KeptFile[]): void {
  const seen = new Map<string, KeptFile>();
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
