import type { PublishOutcome } from '../catalog/products/publish.ts';
import { HeadwaterError, within } from '../errors.ts';
import { sizeOf } from '../files/open-file.ts';
import { makeMetadataTarball } from '../image/metadata/metadata-tarball.ts';
import { defined } from '../model/defined.ts';
import type { VersionEvidence } from '../model/evidence.ts';
import { imageTypeOf } from '../model/item-types.ts';
import { productName } from '../model/names.ts';
import type { Item, VersionDraft } from '../model/versions.ts';
import { nameBareRoot, type RootName } from './bare-root.ts';
import { type CheckedRequest, checkRequest } from './checked-request.ts';
import { type Description, describe } from './describe.ts';
import type { Destination, StoredFile } from './destination/destination.ts';
import { RevertibleDestination } from './destination/rollback.ts';
import { assertPrograms } from './judge.ts';
import type { Progress, Published, PublishRequest, SourceFile } from './request.ts';
import { splitVirtualMachine } from './split/split-virtual-machine.ts';
import { assertOneOfEach, deltaItems, splitItems, unifiedItem } from './version-items.ts';

/** The owner of versions that are published by neither a mirror nor a client. */
const localOwner = 'local';

/** The files of a version, by their roles. */
interface Parts {
  metadata: StoredFile;
  roots: StoredFile[];
  deltas: StoredFile[];
}

/** The names in the request for a version. */
interface Naming {
  checked: CheckedRequest;
  fromUpstream: boolean;
}

/** Metadata that was made for a bare root, and the origin of its names. */
interface MadeMetadata extends Pick<RootName, 'serialIsDerived' | 'warnings'> {
  file: StoredFile;
}

/** Options of a publish. */
interface PublishOptions {
  /** The owner of the version (`VersionDraft.owner`). */
  owner?: string;
  progress?: Progress;
  /**
   * The request comes from an upstream's document: differences from metadata.yaml and os-release give no warning, and
   * aliases that another product has are left out instead of refused.
   */
  fromUpstream?: boolean;
  /** The upstream's name of the version. */
  upstreamName?: string;
  /** What vouches for the version. */
  evidence?: VersionEvidence;
  /** Receives the rules set to `warn` that the image breaks. */
  onRuleWarning?: (warning: string) => void;
  /** Receives the named version before it is committed; throws if it is not permitted. */
  permit?: (draft: Pick<VersionDraft, 'product' | 'stream' | 'aliases'>) => void;
}

/**
 * Publishes one version: stores its files, examines them, names the version and commits it. Nothing of it is visible
 * before the commit.
 * @throws HeadwaterError `invalid` (for a file, a name or a combination), `conflict`; errors of stores and
 * `options.permit`
 */
export async function publish(
  destination: Destination,
  request: PublishRequest,
  options: PublishOptions = {},
): Promise<Published> {
  const checked = checkRequest(request);
  if (request.files.length === 0) throw new HeadwaterError('invalid', 'there is no file to publish');
  const revertible = new RevertibleDestination(destination);
  try {
    return await publishChecked(revertible, request, checked, options);
  } catch (error) {
    await revertible.rollBack();
    throw error;
  }
}

async function publishChecked(
  destination: Destination,
  request: PublishRequest,
  checked: CheckedRequest,
  options: PublishOptions,
): Promise<Published> {
  const kept = await storeAll(destination, request.files, options.progress);
  const ruleWarnings = kept.flatMap((file) => destination.judge(file));
  for (const warning of ruleWarnings) options.onRuleWarning?.(warning);
  const { fromUpstream = false } = options;
  const naming = { checked, fromUpstream };
  const { unified, parts, made } = await arrange(destination, request.files, kept, naming);
  const description = describeFile(unified ?? parts.metadata, request, naming);
  for (const root of unified === undefined ? parts.roots : [unified]) {
    assertPrograms(description.product.architecture, root);
  }
  const items =
    unified === undefined
      ? [...(await splitItems(destination, parts, request.files)), ...deltaItems(parts.deltas, request.files)]
      : [unifiedItem(unified)];
  const draft: VersionDraft = {
    product: description.product,
    stream: description.stream,
    owner: options.owner ?? localOwner,
    details: description.details,
    aliases: description.aliases,
    serial: description.serial,
    ...(made?.serialIsDerived === true || description.serialIsDerived ? { serialIsDerived: true } : {}),
    ...defined({ upstreamName: options.upstreamName, evidence: options.evidence }),
    label: description.label,
    items,
    warnings: ruleWarnings,
  };
  options.permit?.(draft);
  const committed = await destination.commit(draft);
  const nameWarnings = fromUpstream ? [] : (made?.warnings ?? []);
  const warnings = [...ruleWarnings, ...nameWarnings, ...description.warnings];
  return published({ ...description, warnings }, items, committed);
}

function describeFile(
  { name, content }: StoredFile,
  request: PublishRequest,
  { checked, fromUpstream }: Naming,
): Description {
  if (content.kind !== 'metadata' && content.kind !== 'unified') throw new Error('no metadata was found');
  try {
    return describe(request, checked, content.metadata, { fromUpstream });
  } catch (error) {
    throw within(name, error);
  }
}

/**
 * Stores the files, the smallest first: this is the metadata, and the fingerprints of the other files begin with its
 * bytes.
 */
async function storeAll(
  destination: Destination,
  files: SourceFile[],
  progress: Progress | undefined,
): Promise<StoredFile[]> {
  const sized = await Promise.all(
    files.map(async (file) => ({ file, size: file.from === 'disk' ? await sizeOf(file.path) : 0 })),
  );
  sized.sort((one, other) => one.size - other.size);
  const kept: StoredFile[] = [];
  for (const { file } of sized) {
    const metadata = kept.find(({ content }) => content.kind === 'metadata');
    kept.push(await destination.store(file, defined({ metadata, progress })));
  }
  return kept;
}

/** Determines the role of each file, and makes missing metadata. */
async function arrange(
  destination: Destination,
  sources: SourceFile[],
  kept: StoredFile[],
  naming: Naming,
): Promise<
  | { unified: StoredFile; parts?: undefined; made?: undefined }
  | { unified?: undefined; parts: Parts; made?: MadeMetadata }
> {
  const unified = kept.find(({ content }) => content.kind === 'unified');
  if (unified !== undefined) {
    const other = kept.find((file) => file !== unified);
    if (other !== undefined) {
      throw new HeadwaterError(
        'invalid',
        `${unified.name} is a unified image, which is complete by itself: publish ${other.name} without it`,
      );
    }
    if (unified.content.kind === 'unified' && unified.content.type === 'container') return { unified };
    const source = sources.find((file) => file.name === unified.name);
    if (source === undefined) throw new Error(`${unified.name} is not among the files`);
    // Clients before Incus 7 treat every unified image as a container, so a virtual machine is published split.
    const { metadata, disk } = await splitVirtualMachine(destination, source, unified);
    await destination.discard(unified);
    return { parts: { metadata, roots: [disk], deltas: [] } };
  }
  const metadata = kept.filter(({ content }) => content.kind === 'metadata');
  const deltas = kept.filter(({ content }) => content.kind === 'vcdiff');
  const roots = kept.filter(({ content }) => content.kind !== 'metadata' && content.kind !== 'vcdiff');
  const [first, second] = metadata;
  if (second !== undefined) {
    throw new HeadwaterError(
      'invalid',
      `${first?.name} and ${second.name} both are metadata tarballs: publish one`,
    );
  }
  const [root] = roots;
  if (root === undefined && first === undefined) {
    throw new HeadwaterError('invalid', `${deltas[0]?.name} is a delta: it needs the version that it makes`);
  }
  if (root === undefined) {
    throw new HeadwaterError(
      'invalid',
      `${first?.name} holds metadata only: publish it together with a root (squashfs, root tarball or qcow2 disk)`,
    );
  }
  assertOneOfEach(roots);
  if (first !== undefined) return { parts: { metadata: first, roots, deltas } };
  const made = await makeMetadata(destination, root, naming);
  return { parts: { metadata: made.file, roots, deltas }, made };
}

async function makeMetadata(
  destination: Destination,
  root: StoredFile,
  { checked }: Naming,
): Promise<MadeMetadata> {
  const facts = root.content.kind === 'rootfs-tarball' ? root.content.found : {};
  const name = nameBareRoot(root.name, checked, facts);
  const bytes = await makeMetadataTarball(name);
  const file = await destination.store({ from: 'memory', name: `metadata for ${root.name}`, bytes });
  return { file, serialIsDerived: name.serialIsDerived, warnings: name.warnings };
}

function published(
  description: Description,
  items: Item[],
  { outcome, serial, withheldAliases: withheld }: PublishOutcome,
): Published {
  const left = new Set(withheld.map(({ alias }) => alias));
  return {
    outcome,
    product: productName(description.product),
    serial: serial ?? description.serial,
    stream: description.stream,
    aliases: description.aliases.map(({ name }) => name).filter((alias) => !left.has(alias)),
    images: items.flatMap(({ file, type, size, fingerprint }) => {
      const image = imageTypeOf(type);
      return image === undefined || fingerprint === undefined
        ? []
        : [{ type: image, file, size, fingerprint }];
    }),
    warnings: [
      ...description.warnings,
      ...(serial === undefined || outcome === 'unchanged'
        ? []
        : [
            `the serial ${description.serial} is taken by a version with other files: this version gets ${serial}`,
          ]),
      ...withheld.map(({ alias, owner }) => `alias ${alias} points to ${owner} and was left out`),
    ],
  };
}
