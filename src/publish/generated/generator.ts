import { hash } from 'node:crypto';
import { ExpiringMap } from '../../async/expiring-map.ts';
import { withOutcomes } from '../../async/outcome.ts';
import { Rounds } from '../../async/rounds.ts';
import { singleChunk } from '../../async/single-chunk.ts';
import type { BlobStore } from '../../blobs/blob-store.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { LackingVersion } from '../../catalog/generated/generated-files.ts';
import type { NewGeneratedFile } from '../../catalog/generated/generated-rows.ts';
import type { Quotas } from '../../catalog/quotas.ts';
import { HeadwaterError } from '../../errors.ts';
import { parseDigest } from '../../model/digest.ts';
import {
  type GeneratedKind,
  generatedFileName,
  type RootForm,
  rootForms,
} from '../../model/generated-files.ts';
import { keysOf } from '../../model/keys-of.ts';
import { productName } from '../../model/names.ts';
import { generatedContent } from '../blob-content.ts';
import type { LocalDestination } from '../destination/local-destination.ts';
import { StoredBlobs } from '../destination/stored-blobs.ts';
import { lxcMetadata } from './lxc-metadata.ts';
import { RootForms } from './root-forms.ts';

/** How many small files are made together. */
const batchSize = 50;
/** After a failure of the store or the catalog, in milliseconds. */
const retryAfter = 30_000;
/** A file that could not be made is not tried again for this time, in milliseconds. */
const failureStands = 3_600_000;
const maxFailures = 10_000;

/** A file of a version, for messages. */
interface GeneratedSubject {
  stream: string;
  product: string;
  serial: string;
  file: string;
}

/** Receives what happens. */
export interface GeneratorHooks {
  /** A file that took long was made. */
  onMade(file: GeneratedSubject & { size: number; seconds: number }): void;
  /** A file could not be made. It is tried again later. */
  onFailed(file: GeneratedSubject, error: unknown): void;
  /** The store or the catalog failed. */
  onError(error: unknown): void;
}

interface Parts {
  catalog: Catalog;
  store: BlobStore;
  destination: LocalDestination;
}

/**
 * Makes files of versions for clients that need another form than LXD and Incus, in the background: after a publish by any
 * process, and at the start for versions that lack them. A file is made once, and kept as a blob of its version.
 */
export class Generator {
  readonly #parts: Parts;
  readonly #xzStreams: readonly string[];
  readonly #makesMetadata: boolean;
  readonly #forms: RootForms;
  readonly #quotasOf: (stream: string) => Quotas;
  readonly #hooks: GeneratorHooks;
  readonly #blobs: StoredBlobs;
  /** Small files do not wait for roots, which take minutes. */
  readonly #small: Rounds;
  readonly #large: Rounds;
  /** By kind and version. */
  readonly #failures = new ExpiringMap<string, true>(failureStands, { maxEntries: maxFailures });
  /** The revision that the last round of small files has seen. */
  #seen: number | undefined;
  #stop: (() => void) | undefined;

  /**
   * @param options.xzStreams the streams whose roots get an xz form if they have another compression
   * @param options.gzipStreams the streams whose roots get a gzip form if there is no gzip tarball
   * @param options.metadata whether versions get the metadata of LXC
   * @param options.directory for copies of files that programs read
   * @param options.quotasOf the limits for versions that identities published in a stream
   */
  constructor(
    parts: Parts,
    options: {
      xzStreams: readonly string[];
      gzipStreams: readonly string[];
      metadata: boolean;
      directory: string;
      quotasOf: (stream: string) => Quotas;
      hooks: GeneratorHooks;
    },
  ) {
    this.#parts = parts;
    this.#xzStreams = options.xzStreams;
    this.#makesMetadata = options.metadata;
    this.#forms = new RootForms(parts, {
      ...options,
      onMade: (kind, version, made) => options.hooks.onMade({ ...subjectOf(kind, version), ...made }),
    });
    this.#quotasOf = options.quotasOf;
    this.#hooks = options.hooks;
    this.#blobs = new StoredBlobs(parts.catalog, parts.store);
    const onError = (error: unknown) => options.hooks.onError(error);
    this.#small = new Rounds((signal) => this.#makeSmall(signal), { onError, retryAfter });
    this.#large = new Rounds((signal) => this.#makeLarge(signal), { onError, retryAfter });
  }

  /** Makes what is missing, then follows the catalog. */
  start(): void {
    const { catalog } = this.#parts;
    const follow = () => {
      this.#small.request();
      this.#large.request();
    };
    const stops = [catalog.onCommitted(follow), catalog.feed.watch(follow)];
    // Blobs that are fetched on demand, and failures that have expired, are noticed only here.
    const timer = setInterval(() => {
      this.#seen = undefined;
      follow();
    }, failureStands).unref();
    this.#stop = () => {
      for (const stop of stops) stop();
      clearInterval(timer);
    };
    follow();
  }

  /** Resolves when everything is made that can be made. */
  async settled(): Promise<void> {
    await this.#small.settled();
    await this.#large.settled();
  }

  /** Ends at once; a file that is not complete is made again after the next start. */
  async stop(): Promise<void> {
    this.#stop?.();
    await Promise.all([this.#small.stop(), this.#large.stop()]);
  }

  async #makeSmall(signal: AbortSignal): Promise<void> {
    if (!this.#makesMetadata) return;
    const { catalog } = this.#parts;
    const { revision } = await catalog.changes.since(Number.MAX_SAFE_INTEGER);
    const changed = this.#seen === undefined ? {} : { changedAfter: this.#seen };
    for (let after = 0; !signal.aborted; ) {
      const query = { kind: 'lxc-metadata', xzStreams: this.#xzStreams, after, limit: batchSize } as const;
      const versions = await catalog.generated.lacking({ ...query, ...changed });
      const open = versions.filter((version) => !this.#hasFailed('lxc-metadata', version));
      if (open.length > 0) await this.#add('lxc-metadata', open, await this.#storeMetadata(open));
      const last = versions.at(-1);
      if (last === undefined || versions.length < batchSize) break;
      after = last.id;
    }
    if (!signal.aborted) this.#seen = revision;
  }

  async #storeMetadata(versions: readonly LackingVersion[]): Promise<NewGeneratedFile[]> {
    const files = await Promise.all(
      versions.map(async (version) => {
        const bytes = await lxcMetadata(version);
        return { id: version.id, bytes, digest: parseDigest(hash('sha256', bytes)), size: bytes.length };
      }),
    );
    await Promise.all(
      files.map(({ bytes, digest, size }) => this.#parts.store.write(singleChunk(bytes), { digest, size })),
    );
    await this.#parts.catalog.blobs.record(
      files.map(({ digest, size }) => ({ digest, size, content: generatedContent })),
    );
    return files.map(({ id, digest, size }) => ({ versionId: id, kind: 'lxc-metadata', digest, size }));
  }

  async #makeLarge(signal: AbortSignal): Promise<void> {
    for (const kind of keysOf(rootForms)) await this.#makeForms(kind, signal);
  }

  async #makeForms(kind: RootForm, signal: AbortSignal): Promise<void> {
    for (let after = 0; !signal.aborted; ) {
      const version = await this.#forms.next(kind, after);
      if (version === undefined) return;
      after = version.id;
      if (this.#hasFailed(kind, version)) continue;
      try {
        const { digest, size } = await this.#forms.make(kind, version, signal);
        const file = { versionId: version.id, kind, digest, size, source: version.root.digest };
        await this.#add(kind, [version], [file]);
      } catch (error) {
        if (signal.aborted) return;
        if (isOfStore(error)) throw error;
        this.#fail(kind, version, error);
      }
    }
  }

  async #add(
    kind: GeneratedKind,
    versions: readonly LackingVersion[],
    files: readonly NewGeneratedFile[],
  ): Promise<void> {
    const outcomes = await this.#parts.catalog.generated.add(files, {
      // Small files were just stored: garbage collection would have taken the record with the bytes.
      assertStored: async (blob, isRecorded) => {
        if (Object.hasOwn(rootForms, kind) || !isRecorded) await this.#blobs.assertStored(blob, isRecorded);
      },
      quotasOf: this.#quotasOf,
    });
    for (const { request, outcome } of withOutcomes(versions, outcomes)) {
      if ('error' in outcome) this.#fail(kind, request, outcome.error);
    }
  }

  #hasFailed(kind: GeneratedKind, version: LackingVersion): boolean {
    return this.#failures.get(failureKey(kind, version)) !== undefined;
  }

  #fail(kind: GeneratedKind, version: LackingVersion, error: unknown): void {
    this.#failures.set(failureKey(kind, version), true);
    this.#hooks.onFailed(subjectOf(kind, version), error);
  }
}

function failureKey(kind: GeneratedKind, { id }: LackingVersion): string {
  return `${kind} ${id}`;
}

function subjectOf(kind: GeneratedKind, { stream, product, serial }: LackingVersion): GeneratedSubject {
  return { stream, product: productName(product), serial, file: generatedFileName(kind) };
}

/** Whether the next file would fail, too. */
function isOfStore(error: unknown): boolean {
  return error instanceof HeadwaterError && error.kind === 'no-space';
}
