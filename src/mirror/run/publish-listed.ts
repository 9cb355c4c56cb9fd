import { extname } from 'node:path';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Source } from '../../catalog/products/blob-sources.ts';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { deltaFile, factsOf, type ItemType, isUnified, typeOfFtype } from '../../model/item-types.ts';
import { impliedAliases } from '../../model/names.ts';
import type { Item } from '../../model/versions.ts';
import type { OfferedDelta, OfferedFile, OfferedRoot } from '../../simplestreams/read/offered.ts';
import type { PlannedVersion } from '../plan/plan.ts';

/**
 * Publishes a version whose files are downloaded when a client first asks for them. The document describes the files, and
 * their paths are recorded.
 * @throws HeadwaterError `invalid` when the document says too little, and the errors of the commit
 */
export async function publishListed(
  planned: PlannedVersion,
  services: { catalog: Catalog; mirror: string; owner: string; stream: string },
): Promise<void> {
  const { key, details, version } = planned;
  const items = planned.files.map((file) => itemOf(file, planned));
  // A version that is listed already has files with a new path.
  const sources: Source[] = planned.files.map((file, index) => ({
    digest: items[index]?.digest ?? '',
    size: file.size,
    mirror: services.mirror,
    path: file.path,
  }));
  await services.catalog.sources.record(sources);
  if (planned.listed) return;
  await services.catalog.versions.publish(
    {
      product: key,
      stream: services.stream,
      owner: services.owner,
      details: {
        osTitle: details.osTitle ?? key.os,
        releaseTitle: details.title ?? key.release,
        ...defined({ supportEol: details.eol }),
        requirements: details.requirements ?? {},
      },
      aliases: [...impliedAliases(key), ...(details.aliases ?? [])].map((name) => ({
        name,
        ifTaken: 'withhold',
      })),
      serial: version.serial,
      upstreamName: version.name,
      label: version.label ?? 'release',
      items,
    },
    // Blobs may be deleted and fetched again; their source stays as long as the version.
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
    return { file: deltaFile(base), type: 'squashfs.vcdiff', digest: sha256, size, deltaBase: base };
  }
  if (!('type' in file)) return { file: factsOf('metadata').file, type: 'metadata', digest: sha256, size };
  if (file.unified && file.type === 'virtual-machine') throw missing('a split image beside it');
  if (file.fingerprint === undefined) throw missing('the combined sha256 on the metadata item');
  const type = itemType(file);
  return { file: itemFile(file, type), type, digest: sha256, size, fingerprint: file.fingerprint };
}

function itemType(root: OfferedRoot): ItemType {
  const type = typeOfFtype(root.ftype);
  if (type === undefined) throw new Error(`${root.ftype} is the ftype of no root`);
  return type;
}

function itemFile({ path }: OfferedRoot, type: ItemType): string {
  const { file, format } = factsOf(type);
  // The name tells how a root tarball is packed, as far as the upstream's does.
  return format !== 'tar' || isUnified(type) ? file : `${file}${extname(path).replace(/^\.tar$/, '')}`;
}
