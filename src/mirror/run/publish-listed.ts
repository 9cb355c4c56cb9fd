import { extname } from 'node:path';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Source } from '../../catalog/products/blob-sources.ts';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { impliedAliases } from '../../model/names.ts';
import type { Item, ItemType } from '../../model/versions.ts';
import type { OfferedDelta, OfferedFile, OfferedRoot } from '../../simplestreams/read/offered.ts';
import type { PlannedVersion } from '../plan/plan.ts';

/**
 * Publishes a version whose files stay with the upstream until somebody asks for them: the document says what they
 * are, and where they can be had is recorded.
 * @throws HeadwaterError `invalid` when the document says too little, and what committing throws
 */
export async function publishListed(
  planned: PlannedVersion,
  parts: { catalog: Catalog; mirror: string; owner: string; stream: string },
): Promise<void> {
  const { key, details, version } = planned;
  const items = planned.files.map((file) => itemOf(file, planned));
  // A version that is listed has files with a new place.
  const sources: Source[] = planned.files.map((file, index) => ({
    digest: items[index]?.digest ?? '',
    size: file.size,
    mirror: parts.mirror,
    path: file.path,
  }));
  await parts.catalog.sources.record(sources);
  if (planned.listed) return;
  await parts.catalog.versions.publish(
    {
      product: key,
      stream: parts.stream,
      owner: parts.owner,
      details: {
        osTitle: details.osTitle ?? key.os,
        releaseTitle: details.title ?? key.release,
        ...defined({ supportEol: details.eol }),
        requirements: details.requirements ?? {},
      },
      aliases: [],
      serial: version.serial,
      upstreamName: version.name,
      label: version.label ?? 'release',
      items,
    },
    [...impliedAliases(key), ...(details.aliases ?? [])],
    // The bytes may come and go; the source stays as long as the version.
    () => Promise.resolve(),
  );
}

function itemOf(file: OfferedFile | OfferedRoot | OfferedDelta, { product, version }: PlannedVersion): Item {
  const { sha256, size } = file;
  const missing = (what: string) =>
    new HeadwaterError(
      'invalid',
      `${product} ${version.name}: on demand, ${file.ftype} needs ${what} in the document`,
    );
  if (sha256 === undefined) throw missing('its sha256');
  if ('base' in file) {
    const { base } = file;
    return { file: `delta.${base}.vcdiff`, type: 'squashfs.vcdiff', digest: sha256, size, deltaBase: base };
  }
  if (!('type' in file)) return { file: 'lxd.tar.xz', type: 'metadata', digest: sha256, size };
  if (file.unified && file.type === 'virtual-machine') throw missing('a split image beside it');
  if (file.fingerprint === undefined) throw missing('the combined sha256 on the metadata item');
  return { ...named(file), digest: sha256, size, fingerprint: file.fingerprint };
}

function named(root: OfferedRoot): { file: string; type: ItemType } {
  if (root.unified) return { file: 'lxd_combined.tar.gz', type: 'combined' };
  if (root.ftype === 'squashfs') return { file: 'rootfs.squashfs', type: 'squashfs' };
  if (root.type === 'virtual-machine') return { file: 'disk.qcow2', type: 'disk-kvm.img' };
  // The name tells how it is packed, as far as the upstream's does.
  return {
    file: `rootfs.tar${extname(root.path) === '.tar' ? '' : extname(root.path)}`,
    type: 'root.tar.xz',
  };
}
