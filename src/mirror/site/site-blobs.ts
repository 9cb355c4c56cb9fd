import { createHash } from 'node:crypto';
import { withOutcomes } from '../../async/outcome.ts';
import type { CarriedBlob } from '../../bundle/format/manifest-schema.ts';
import { HeadwaterError, isKind } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import type { MetadataFile, StoredFile } from '../../publish/destination/destination.ts';
import type { LocalDestination, SmallInput } from '../../publish/destination/local-destination.ts';
import { maxFileInMemory } from '../../publish/intake/intake.ts';
import type { Progress } from '../../publish/request.ts';
import type { SiteVersion } from './site-plan.ts';

/** The most small files in a batch, and the most bytes of them in memory. */
const maxBatch = { files: 96, bytes: 4 * 1024 * 1024 };

/** The most metadata items in memory. */
const maxRecent = 128;

/** Stores the blobs of a bundle: large ones as they pass, small ones in batches. */
export class SiteBlobs {
  readonly #destination: LocalDestination;
  readonly #progress: Progress | undefined;
  /** What messages call a blob, and the metadata item that a root probably belongs to. */
  readonly #files = new Map<Digest, { name: string; metadata: Digest | undefined }>();
  readonly #stored = new Set<Digest>();
  /** Metadata items that were just stored: their roots follow. */
  readonly #recent = new Map<Digest, StoredFile>();
  readonly #refused = new Map<Digest, string>();
  readonly #batch = new Map<Digest, SmallInput>();
  #batchBytes = 0;
  #received = 0;

  /** @param versions the versions that need blobs */
  constructor(
    destination: LocalDestination,
    versions: readonly SiteVersion[],
    options: { progress?: Progress } = {},
  ) {
    this.#destination = destination;
    this.#progress = options.progress;
    for (const { product, version, files } of versions) {
      for (const file of files) {
        const { sha256, path } = file;
        if (sha256 === undefined || this.#files.has(sha256)) continue;
        const metadata = version.roots.some((root) => root.path === path)
          ? version.metadata?.sha256
          : undefined;
        this.#files.set(sha256, { name: `${product} ${version.serial} ${path}`, metadata });
      }
    }
  }

  /** Bytes that were stored. */
  get received(): number {
    return this.#received;
  }

  /** Whether a blob was stored by this object. */
  isStored(digest: Digest): boolean {
    return this.#stored.has(digest);
  }

  /** Why small files that had the right bytes were refused, by digest. */
  get refused(): ReadonlyMap<string, string> {
    return this.#refused;
  }

  /** Stores the bytes of a blob. @throws HeadwaterError `invalid` if they are not right; errors of the store */
  async store({ digest: name, size }: CarriedBlob, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const digest = parseDigest(name);
    if (size <= maxFileInMemory) {
      await this.#gather(digest, bytes);
      return;
    }
    const file = this.#files.get(digest);
    const metadata = file?.metadata === undefined ? undefined : await this.#metadata(file.metadata);
    const kept = await this.#destination.store(
      { from: 'stream', name: file?.name ?? name, size, bytes, expectedDigest: digest },
      defined({ metadata, progress: this.#progress }),
    );
    this.#note(digest, kept);
  }

  /** Stores the small blobs that wait for their batch. */
  async flush(): Promise<void> {
    const inputs = [...this.#batch];
    this.#batch.clear();
    this.#batchBytes = 0;
    const outcomes = await this.#destination.storeAll(inputs.map(([, input]) => input));
    for (const { request, outcome } of withOutcomes(inputs, outcomes)) {
      const [digest] = request;
      if ('result' in outcome) this.#note(digest, outcome.result);
      else if (isKind(outcome.error, 'invalid', 'too-large'))
        this.#refused.set(digest, outcome.error.message);
      else throw outcome.error;
    }
  }

  /** Takes a small blob into memory. Its bytes are checked at once, so that damage is found where it is. */
  async #gather(digest: Digest, source: AsyncIterable<Uint8Array>): Promise<void> {
    const parts: Uint8Array[] = [];
    for await (const part of source) parts.push(Uint8Array.from(part));
    const bytes = Buffer.concat(parts);
    const actual = createHash('sha256').update(bytes).digest('hex');
    if (actual !== digest) throw new HeadwaterError('invalid', `its SHA-256 is ${actual}`);
    if (this.#batch.size >= maxBatch.files || this.#batchBytes + bytes.length > maxBatch.bytes)
      await this.flush();
    const file = this.#files.get(digest);
    const metadata = file?.metadata === undefined ? undefined : await this.#metadata(file.metadata);
    this.#batchBytes += bytes.length;
    this.#batch.set(digest, {
      file: { from: 'memory', name: file?.name ?? digest, bytes, expectedDigest: digest },
      ...defined({ metadata, progress: this.#progress }),
    });
  }

  /** The metadata item of a root, if it is stored or waits for its batch: fingerprints begin with its bytes. */
  async #metadata(digest: Digest): Promise<MetadataFile | undefined> {
    const waiting = this.#batch.get(digest);
    if (waiting !== undefined) {
      const { name, bytes } = waiting.file;
      return { name, digest, size: bytes.length, bytes };
    }
    const recent = this.#recent.get(digest);
    if (recent !== undefined) return recent;
    try {
      return await this.#destination.store({ from: 'blob', name: digest, digest });
    } catch (error) {
      if (!isKind(error, 'not-found')) throw error;
      return undefined;
    }
  }

  #note(digest: Digest, kept: StoredFile): void {
    this.#received += kept.size;
    this.#stored.add(digest);
    if (kept.content.kind !== 'metadata') return;
    this.#recent.set(digest, kept);
    const [oldest] = this.#recent.keys();
    if (this.#recent.size > maxRecent && oldest !== undefined) this.#recent.delete(oldest);
  }
}
