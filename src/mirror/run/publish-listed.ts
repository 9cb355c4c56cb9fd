import { extname } from 'node:path';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Source } from '../../catalog/products/blob-sources.ts';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import type { VersionEvidence } from '../../model/evidence.ts';
import { deltaFile, factsOf, type ItemType, isUnified, typeOfFtype } from '../../model/item-types.ts';
import { impliedAliases } from '../../model/names.ts';
import type { Item } from '../../model/versions.ts';
import { wrongFingerprint } from '../../publish/version-items.ts';
import type { OfferedDelta, OfferedFile, OfferedRoot } from '../../simplestreams/read/offered.ts';
import type { PlannedVersion } from '../plan/plan.ts';

/**
 * Publishes a version whose files are downloaded when a client first asks for them. The document describes the files, and
 * their paths are recorded.
 * @param services.evidence what vouches for a version
 * @throws HeadwaterError `invalid` when the document says too little, and the errors of the commit
 */
export async function publishListed(
  planned: PlannedVersion,
  services: {
    catalog: Catalog;
    mirror: string;
    owner: string;
    stream: string;
    evidence: (planned: PlannedVersion) => VersionEvidence | undefined;
  },
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
  for (const item of items) await assertMayClaim(item, items, services.catalog);
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
      ...defined({ evidence: services.evidence(planned) }),
      label: version.label ?? 'release',
      items,
    },
    // Blobs may be deleted and fetched again; their source stays as long as the version.
    () => Promise.resolve(),
  );
}

/**
 * Refuses a claimed fingerprint that is known to be false, or that another stored image has.
 * @throws HeadwaterError `invalid`, `conflict`
 */
async function assertMayClaim(
  { file, digest: root, fingerprint }: Item,
  items: readonly Item[],
  { fingerprints }: Catalog,
): Promise<void> {
  const metadata = items.find(({ type }) => type === 'metadata')?.digest;
  if (fingerprint === undefined || fingerprint === root || metadata === undefined) return;
  const computed = await fingerprints.find(metadata, root);
  if (computed !== undefined && computed !== fingerprint) {
    throw new HeadwaterError('invalid', `${file}: ${wrongFingerprint(computed, fingerprint)}`);
  }
  const [holder] = computed === undefined ? await fingerprints.holders({ metadata, root, fingerprint }) : [];
  if (holder === undefined) return;
  throw new HeadwaterError(
    'conflict',
    `${file}: the document says that the fingerprint of the image is ${fingerprint}, which is that of ${holder.product} ${holder.serial} in the stream ${holder.stream} with other files`,
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
