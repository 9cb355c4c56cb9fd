import { rm } from 'node:fs/promises';
import { type Access, type Known, keyOf } from '../../access/access.ts';
import { seesStream } from '../../access/visible-streams.ts';
import { singleChunk } from '../../async/single-chunk.ts';
import type { BlobStore } from '../../blobs/blob-store.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Actor } from '../../catalog/database/audit-record.ts';
import { defaultStream } from '../../catalog/products/streams.ts';
import { HeadwaterError } from '../../errors.ts';
import { openFile } from '../../files/open-file.ts';
import { makeMetadataTarball } from '../../image/metadata/metadata-tarball.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import { parseAlias, parseNamePart } from '../../model/names.ts';
import { flattenLayers } from '../../publish/generated/repack.ts';
import type { ArrivingFile } from '../../publish/push.ts';
import type { Receiver } from '../../registry/incoming/receiver.ts';
import { isTag, placesOf, type RepositoryPlace } from '../names.ts';
import type { VisibleRepositories } from '../repositories.ts';
import { readConfig, readManifest } from './manifest.ts';
import type { PendingBlobs } from './pending-blobs.ts';

/** The largest config, in bytes. */
const maxConfig = 1024 * 1024;

/** Who pushes. */
export interface Pusher {
  identity: Known;
  actor: Actor;
}

/** A pushed blob is missing. */
export class MissingBlob extends HeadwaterError {}

interface Services {
  access: Access;
  catalog: Catalog;
  receiver: Receiver;
  pending: PendingBlobs;
  repositories: VisibleRepositories;
  store: Pick<BlobStore, 'read'>;
  configuredStreams: readonly string[];
}

/** Makes versions of images that OCI clients push. */
export class ImagePushes {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  /**
   * The place of images that an identity pushes to a repository: `STREAM/PATH` if it sees such a stream and may publish
   * there, else the whole name in the stream that needs no configuration.
   * @throws HeadwaterError `forbidden` if it may publish nothing there
   */
  async place(identity: Known, repository: string): Promise<RepositoryPlace> {
    const { access } = this.#services;
    const [inStream, plain] = placesOf(repository);
    const isInStream =
      inStream !== undefined &&
      plain !== undefined &&
      (await this.#mayPublishInto(identity, inStream.stream));
    const place = isInStream ? inStream : { stream: defaultStream, path: repository };
    const { stream, path } = place;
    access.demand(identity, 'publish', { stream, isNamedByCaller: true });
    // The tag is not known before the manifest, but an upload that no name would permit is refused at once.
    if (identity.names !== undefined && !identity.names.some((pattern) => mayBegin(pattern, path))) {
      access.demand(identity, 'publish', { stream, names: [path], isNamedByCaller: true });
    }
    return place;
  }

  async #mayPublishInto(identity: Known, stream: string): Promise<boolean> {
    const { access, catalog, configuredStreams } = this.#services;
    if (!access.may(identity, 'publish', { stream })) return false;
    const isThere = configuredStreams.includes(stream) || (await catalog.streams.list()).includes(stream);
    return isThere && (await seesStream({ access, catalog }, identity, stream));
  }

  /**
   * Makes a version of a pushed image: its layer becomes the root, and the tag an alias, `PATH/TAG`, or `PATH` for `latest`.
   * Several layers are combined to one. The version then gets a manifest of its own, and the pushed one is not kept.
   * @param type the media type in the header of the request
   * @returns the digest of the manifest
   * @throws MissingBlob; HeadwaterError `invalid` for images that cannot be versions, `forbidden`, and errors of pushes
   */
  async push(
    repository: string,
    tag: string,
    manifest: { bytes: Buffer; type: string },
    { identity, actor }: Pusher,
  ): Promise<Digest> {
    const { access, catalog, receiver, pending } = this.#services;
    const place = await this.place(identity, repository);
    const { stream } = place;
    const alias = aliasOf(place, tag);
    access.demand(identity, 'publish', { stream, names: [alias], isNamedByCaller: true });
    const { digest, bytes, mediaType, config, layers } = readManifest(manifest.bytes, manifest.type);
    if (config.size > maxConfig) {
      throw new HeadwaterError('too-large', `the config has more than ${maxConfig} bytes`);
    }
    const owner = keyOf(identity);
    const find = async (blob: { digest: Digest; size: number }) =>
      await this.#find(owner, identity, repository, blob);
    const configBytes = await collect(await find(config));
    const { architecture, serial } = readConfig(configBytes);
    const [layer, ...others] = layers;
    if (layer === undefined) throw new Error('the manifest has no layer');
    const files =
      others.length === 0
        ? oneFile({ ...named(layer), bytes: await find(layer), expectedDigest: layer.digest })
        : this.#combined(layers, find, owner);
    const pushed = await receiver.take(
      files,
      {
        aliases: [{ name: alias }],
        public: true,
        ...{ properties: {}, profiles: [], filename: '', autoUpdate: false },
        describeRoot: async (facts) =>
          await makeMetadataTarball({
            os: nameOr('unknown', facts.os),
            release: nameOr('current', facts.release),
            ...{ variant: 'default', architecture, serial, description: `${repository}:${tag}` },
          }),
      },
      { stream, pushedBy: owner, actor },
    );
    if (others.length === 0) {
      await catalog.repositories.recordManifest(
        { stream: pushed.stream, product: pushed.product, serial: pushed.serial },
        { mediaType, digest, manifest: bytes.toString(), config: configBytes.toString() },
      );
    }
    for (const blob of [config, ...layers]) await pending.discard(owner, blob.digest);
    return digest;
  }

  /** The layers as one root tarball. */
  async *#combined(
    layers: readonly { digest: Digest; size: number }[],
    find: (blob: { digest: Digest; size: number }) => Promise<AsyncIterable<Uint8Array>>,
    owner: string,
  ): AsyncGenerator<ArrivingFile> {
    const { pending } = this.#services;
    const copies: string[] = [];
    try {
      const paths: string[] = [];
      for (const layer of layers) {
        const sent = pending.find(owner, layer.digest);
        if (sent !== undefined) {
          assertSize(sent.size, layer.size);
          paths.push(sent.path);
          continue;
        }
        const path = await pending.copy(await find(layer));
        copies.push(path);
        paths.push(path);
      }
      const { signal } = new AbortController();
      yield { name: `the ${layers.length} layers`, bytes: flattenLayers(paths, signal) };
    } finally {
      await Promise.all(copies.map((path) => rm(path, { force: true })));
    }
  }

  /** A blob that the pusher has sent, or that it finds in the repository. @throws MissingBlob */
  async #find(
    owner: string,
    identity: Known,
    repository: string,
    { digest, size }: { digest: Digest; size: number },
  ): Promise<AsyncIterable<Uint8Array>> {
    const sent = this.#services.pending.find(owner, digest);
    if (sent !== undefined) {
      assertSize(sent.size, size);
      return lazily(async () => (await openFile(sent.path)).bytes);
    }
    const visible = await this.#services.repositories.find(identity, repository);
    const blob = visible?.blob(`sha256:${digest}`)?.blob;
    if (blob === undefined) throw new MissingBlob('not-found', `blob sha256:${digest} was not pushed`);
    if (!('bytes' in blob)) return lazily(() => this.#services.store.read(parseDigest(blob.digest)));
    assertSize(blob.bytes.length, size);
    return singleChunk(blob.bytes);
  }
}

/** Opens bytes when they are read, so that nothing stays open when they are not. */
async function* lazily(open: () => Promise<AsyncIterable<Uint8Array>>): AsyncGenerator<Uint8Array> {
  yield* await open();
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

function named({ digest, size }: { digest: Digest; size: number }): { name: string; size: number } {
  return { name: `layer sha256:${digest}`, size };
}

function assertSize(found: number, announced: number): void {
  if (found === announced) return;
  throw new HeadwaterError('invalid', `a blob has ${found} bytes, and the manifest says ${announced}`);
}

/** Whether a pattern of names may match a path, or an alias that begins with it. */
function mayBegin(pattern: string, path: string): boolean {
  const literal = pattern.replace(/[*?].*$/, '');
  return literal.startsWith(path) || path.startsWith(literal);
}

/** @throws HeadwaterError `invalid` if the tag cannot be a part of an alias */
function aliasOf({ path }: RepositoryPlace, tag: string): string {
  if (!isTag(tag)) {
    throw new HeadwaterError(
      'invalid',
      'an image is pushed to a tag, of letters, digits and . _ -, not to a digest',
    );
  }
  return parseAlias(tag === 'latest' ? path : `${path}/${tag}`);
}

/** A name that os-release gives, unless products cannot have it. */
function nameOr(otherwise: string, name: string | undefined): string {
  try {
    return name === undefined ? otherwise : parseNamePart('name', name);
  } catch (error) {
    if (error instanceof HeadwaterError) return otherwise;
    throw error;
  }
}

async function* oneFile(file: ArrivingFile): AsyncGenerator<ArrivingFile> {
  yield file;
}
