import { documentMembers } from './documents.ts';
import { identityOf } from './manifest.ts';
import type { Manifest } from './manifest-schema.ts';
import { blobMembers, endMember } from './members.ts';
import { type VolumeContent, type VolumeHead, volumeSize } from './volume-bytes.ts';

/** What a volume of a bundle has, in which order. */
export function contentOf(manifest: Manifest, head: VolumeHead, volume: number): VolumeContent {
  const documents = volume === 1 ? documentMembers(manifest) : [];
  const members = blobMembers(manifest.carried, volume);
  return { head, documents, members, tail: [], mtime: mtimeOf(manifest) };
}

/**
 * What a stream has: everything in one archive, also of a bundle that was planned in volumes. Its last member tells that it
 * was not cut.
 * @param bytes the manifest as it is signed
 */
export function streamContent(manifest: Manifest, head: VolumeHead, bytes: Uint8Array): VolumeContent {
  const end = { bundle: identityOf(bytes), blobs: manifest.carried.length };
  const tail = [{ name: endMember, bytes: Buffer.from(`${JSON.stringify(end)}\n`) }];
  const members = Array.from({ length: manifest.volumes.count }, (_, index) =>
    blobMembers(manifest.carried, index + 1),
  ).flat();
  return { head, documents: documentMembers(manifest), members, tail, mtime: mtimeOf(manifest) };
}

/** The bytes that the volumes of a bundle take, to the byte. */
export function sizeOfVolumes(manifest: Manifest, head: VolumeHead): number[] {
  return Array.from({ length: manifest.volumes.count }, (_, index) =>
    volumeSize(contentOf(manifest, head, index + 1)),
  );
}

function mtimeOf({ created }: Manifest): number {
  return Math.floor(Date.parse(created) / 1000);
}
