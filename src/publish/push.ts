import type { PushDraft, PushOutcome } from '../catalog/images/pushed.ts';
import type { PushedDetails, UpdateSource } from '../catalog/images/pushed-details.ts';
import type { VersionPlace } from '../catalog/images/pushed-versions.ts';
import type { Quotas } from '../catalog/quotas.ts';
import { HeadwaterError, LimitError } from '../errors.ts';
import type { ImageMetadata, RootfsFacts } from '../image/content.ts';
import { defined } from '../model/defined.ts';
import type { Digest } from '../model/digest.ts';
import type { Item, ProductDetails } from '../model/versions.ts';
import type { Destination, StoredFile } from './destination/destination.ts';
import { RevertibleDestination } from './destination/rollback.ts';
import { assertPrograms } from './judge.ts';
import { metadataItem, rootItem, unifiedItem } from './version-items.ts';

/** The limits for images of a stream. */
export interface PushLimits {
  quotas: Quotas;
  /** How many versions a product keeps; all if omitted. */
  keep?: number;
}

/** The destination of pushed images. */
export interface PushDestination extends Destination {
  /** Records a pushed image. @throws HeadwaterError `conflict`, `too-large` */
  commitPush(draft: PushDraft, limits: PushLimits): Promise<PushOutcome>;
}

/** A file of an image, as a client sends it. */
export interface ArrivingFile {
  /** Its name in messages. */
  name: string;
  /** The announced size in bytes, if any. */
  size?: number;
  bytes: AsyncIterable<Uint8Array>;
  /** The SHA-256 that it must have. */
  expectedDigest?: Digest;
}

/** A client's description of an image that it pushes. */
export interface PushRequest {
  stream: string;
  aliases: { name: string; description?: string }[];
  public: boolean;
  /** These override the properties in metadata.yaml. */
  properties: Record<string, string>;
  /** The value in metadata.yaml if omitted. */
  expiresAt?: Date;
  profiles: string[];
  filename: string;
  autoUpdate: boolean;
  /** The identity whose quota the image counts towards. */
  pushedBy: string;
  /** The fingerprint that it must have. */
  fingerprint?: string;
  /** The source of newer versions, for an image that is kept up to date. */
  updateSource?: UpdateSource;
  /** The version that it replaces: the new version gets its aliases. */
  replaces?: VersionPlace;
  /** Makes the metadata of a root tarball that comes alone. Without it, such an image is refused. */
  describeRoot?: (facts: RootfsFacts) => Promise<Uint8Array>;
}

/** A pushed image. */
export interface PushedImage extends PushOutcome {
  fingerprint: Digest;
  /** Bytes of all its files. */
  size: number;
}

/** The maximum total length of an image's properties, in characters: metadata.yaml may have megabytes. */
const maxPropertiesSize = 65_536;

/**
 * Stores an image that a client pushes, and records it. Unlike in `publish`, the os and release in the metadata are not
 * part of any name: clients push changed images of distributions, which must not replace those of the distribution.
 * @param arriving the files as they arrive: metadata, then the root; or one unified tarball
 * @throws HeadwaterError `invalid` when they are no image or not the expected one, `conflict`, `too-large`, and errors
 * of stores and `arriving` throw; then nothing of it stays
 */
export async function push(
  destination: PushDestination,
  arriving: AsyncIterable<ArrivingFile>,
  request: PushRequest,
  limits: PushLimits,
): Promise<PushedImage> {
  const revertible = new RevertibleDestination(destination);
  try {
    const { metadata, root } = await keepFiles(revertible, arriving, request);
    const files = metadata === undefined ? [root] : [metadata, root];
    const warnings = files.flatMap((file) => revertible.judge(file));
    assertPrograms(metadataOf(metadata ?? root).architecture, root);
    const { fingerprint, items } = await identify(revertible, metadata, root);
    if (request.fingerprint !== undefined && request.fingerprint !== fingerprint) {
      throw new HeadwaterError(
        'invalid',
        `the fingerprint of the image is ${fingerprint}, but ${request.fingerprint} was announced: it was changed in transit`,
      );
    }
    const draft = describePush(request, metadataOf(metadata ?? root), { fingerprint, items });
    const outcome = await destination.commitPush({ ...draft, warnings }, limits);
    return { ...outcome, fingerprint, size: items.reduce((sum, { size }) => sum + size, 0) };
  } catch (error) {
    await revertible.rollBack();
    throw error;
  }
}

async function keepFiles(
  destination: Destination,
  files: AsyncIterable<ArrivingFile>,
  { describeRoot }: Pick<PushRequest, 'describeRoot'>,
): Promise<{ metadata?: StoredFile; root: StoredFile }> {
  const kept: StoredFile[] = [];
  for await (const file of files) {
    const [metadata, more] = kept;
    if (more !== undefined)
      throw new HeadwaterError('invalid', `${file.name}: an image has two files at most`);
    if (metadata !== undefined && metadata.content.kind !== 'metadata') throw outOfOrder(metadata);
    kept.push(
      await destination.store({ from: 'stream', ...file }, metadata === undefined ? {} : { metadata }),
    );
  }
  const [first, second] = kept;
  if (first === undefined) throw new HeadwaterError('invalid', 'there is no image in the body');
  if (second === undefined) {
    if (first.content.kind === 'unified') return { root: first };
    if (first.content.kind === 'rootfs-tarball' && describeRoot !== undefined) {
      if (first.content.whiteouts === true) {
        throw new HeadwaterError(
          'invalid',
          `${first.name} deletes files of other layers: squash the image first`,
        );
      }
      const bytes = await describeRoot(first.content.found);
      const name = `metadata for ${first.name}`;
      return { metadata: await destination.store({ from: 'memory', name, bytes }), root: first };
    }
    throw new HeadwaterError(
      'invalid',
      `${first.name} is not a complete image: it has ${first.content.kind === 'metadata' ? 'no root' : 'no metadata.yaml'}`,
    );
  }
  if (second.content.kind === 'metadata' || second.content.kind === 'unified') {
    throw new HeadwaterError(
      'invalid',
      `${second.name}: expected a root, but it is a ${second.content.kind} tarball`,
    );
  }
  return { metadata: first, root: second };
}

function outOfOrder(first: StoredFile): HeadwaterError {
  return new HeadwaterError(
    'invalid',
    `${first.name} is a ${first.content.kind}: the metadata tarball comes first, then the root; a unified tarball comes alone`,
  );
}

async function identify(
  destination: Destination,
  metadata: StoredFile | undefined,
  root: StoredFile,
): Promise<{ fingerprint: Digest; items: Item[] }> {
  if (metadata === undefined) return { fingerprint: root.digest, items: [unifiedItem(root)] };
  const fingerprint = await destination.fingerprint(metadata, root);
  return { fingerprint, items: [metadataItem(metadata), rootItem(root, fingerprint)] };
}

function metadataOf({ content }: StoredFile): ImageMetadata {
  if (content.kind === 'metadata' || content.kind === 'unified') return content.metadata;
  throw new Error('no metadata was found');
}

function describePush(
  request: PushRequest,
  metadata: ImageMetadata,
  image: { fingerprint: Digest; items: Item[] },
): PushDraft {
  const properties = { ...metadata.properties, ...request.properties };
  assertModest(properties);
  const expiresAt =
    request.expiresAt ??
    (metadata.expiryDate === undefined ? undefined : new Date(metadata.expiryDate * 1000));
  const pushed: PushedDetails = {
    properties,
    profiles: request.profiles,
    filename: request.filename,
    autoUpdate: request.autoUpdate,
    createdAt: new Date(metadata.creationDate * 1000),
    ...defined({ expiresAt }),
    pushedBy: request.pushedBy,
    ...defined({ updateSource: request.updateSource }),
  };
  return {
    ...image,
    stream: request.stream,
    architecture: metadata.architecture,
    details: shownDetails(properties, request.aliases[0]?.name ?? image.fingerprint.slice(0, 12)),
    aliases: request.aliases,
    hidden: !request.public,
    pushed,
    ...defined({ replaces: request.replaces }),
  };
}

/** The details for documents, from the image's properties. */
function shownDetails(properties: Record<string, string>, otherwise: string): ProductDetails {
  const shown = (key: string) =>
    properties[key]
      ?.replaceAll(/[\u0000-\u001f\u007f]/g, ' ')
      .trim()
      .slice(0, 200);
  const release = shown('release') || otherwise;
  const requirements = Object.entries(properties).flatMap(([key, value]): [string, string][] =>
    key.startsWith('requirements.') ? [[key.slice('requirements.'.length), value]] : [],
  );
  return {
    osTitle: shown('os') || 'unknown',
    releaseTitle: shown('release_title') || release,
    releaseShown: release,
    requirements: Object.fromEntries(requirements),
  };
}

function assertModest(properties: Record<string, string>): void {
  const length = Object.entries(properties).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  if (length <= maxPropertiesSize) return;
  throw new LimitError(
    'metadataSize',
    'too-large',
    `the image's properties have ${length} characters; at most ${maxPropertiesSize}`,
  );
}
