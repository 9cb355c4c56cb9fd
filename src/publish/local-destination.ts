import type { BlobStore } from '../blobs/blob-store.ts';
import { type Digest, parseDigest } from '../blobs/digest.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { VersionDraft } from '../catalog/model.ts';
import type { Actor } from '../catalog/note-change.ts';
import type { PublishOutcome } from '../catalog/publish-queue.ts';
import type { PushDraft, PushOutcome } from '../catalog/pushed.ts';
import { HeadwaterError } from '../errors.ts';
import type { Content } from '../image/content.ts';
import type { InputFile, KeepOptions, KeptFile, MetadataFile } from './destination.ts';
import { inFile } from './in-file.ts';
import { asExpected, landing, only, openInput, reported, writtenDown } from './input-file.ts';
import { type Examined, type Intake, type Passage, smallFile } from './intake.ts';
import type { PushDestination, PushLimits } from './push.ts';
import { openFile } from './read-file.ts';
import type { SourceFile } from './request.ts';

/** Metadata tarballs are a few KiB; a larger one than this is not read into memory for the fingerprint. */
const metadataLimit = 64 * 1024 * 1024;

/**
 * How long it is remembered that a blob was kept, in milliseconds. Committing looks each one up in the catalog, so that
 * nothing is lost when it has been collected meanwhile.
 */
const moment = 5000;

/** A blob that was kept a moment ago. */
interface Recent {
  kept: KeptFile;
  /** Milliseconds since 1970. */
  at: number;
  /** The fingerprint that it has as a root of a metadata item. */
  fingerprint?: { metadata: Digest; value: Digest };
}

/** Publishes into a catalog and a blob store. */
export class LocalDestination implements PushDestination {
  readonly #parts: { catalog: Catalog; store: BlobStore; intake: Intake };
  readonly #catalog: Catalog;
  readonly #store: BlobStore;
  readonly #intake: Intake;
  /** What was kept in the last moment, the oldest first. */
  readonly #recent = new Map<Digest, Recent>();

  constructor(parts: { catalog: Catalog; store: BlobStore; intake: Intake }) {
    this.#parts = parts;
    this.#catalog = parts.catalog;
    this.#store = parts.store;
    this.#intake = parts.intake;
  }

  /** The same place, where `actor` publishes as the audit log has it. */
  by(actor: Actor): LocalDestination {
    return new LocalDestination({ ...this.#parts, catalog: this.#catalog.by(actor) });
  }

  async keep(file: InputFile, options: KeepOptions = {}): Promise<KeptFile> {
    if (file.from === 'blob') return await this.#kept(file.name, file.digest);
    if (file.from === 'memory' && file.bytes.length <= smallFile) return await this.#keepSmall(file, options);
    const { fingerprint, progress } = options;
    const metadata = fingerprint === undefined ? await this.#load(options.metadata) : undefined;
    const { size, bytes } = await openInput(file);
    const passing = progress === undefined ? bytes : reported(bytes, file.name, size, progress);
    const passage = this.#intake.pass(passing, {
      ...(metadata === undefined ? {} : { metadata }),
      ...(size === undefined ? {} : { size }),
      ...writtenDown(file),
    });
    const examined = await this.#take(file, passage, size).catch((error: unknown) => {
      throw inFile(file.name, error);
    });
    const known = fingerprint === undefined ? {} : { fingerprint };
    return await this.#record(file.name, { ...examined, ...known }, options.metadata);
  }

  async #keepSmall(file: InputFile & { from: 'memory' }, options: KeepOptions): Promise<KeptFile> {
    const { name, bytes } = file;
    const size = bytes.length;
    const metadata = await this.#load(options.metadata);
    const staged = await this.#store.stage?.();
    try {
      const examined = await this.#intake.take({
        bytes,
        ...(metadata === undefined ? {} : { after: metadata }),
        ...(staged === undefined ? {} : { into: staged.path }),
      });
      const digest = asExpected(file, examined);
      if (staged === undefined) await this.#store.write(only(bytes), { digest, size });
      else await staged.keep(digest);
      options.progress?.({ file: name, done: size, total: size });
      const kept = await this.#record(name, examined, options.metadata);
      return kept.content.kind === 'metadata' ? { ...kept, bytes } : kept;
    } catch (error) {
      throw inFile(name, error);
    } finally {
      await staged?.discard();
    }
  }

  /** Whether a blob is kept, whole. */
  async has(digest: Digest): Promise<boolean> {
    const record = await this.#catalog.blobs.find(digest);
    return record !== undefined && (await this.#store.stat(digest))?.size === record.size;
  }

  async discard({ digest, keptAt }: KeptFile): Promise<void> {
    if (keptAt === undefined) return;
    const after = new Date(keptAt.getTime() + 1);
    await this.#catalog.blobs.collect(digest, after, () => this.#store.remove(digest));
  }

  async fingerprint(metadata: KeptFile, root: KeptFile): Promise<Digest> {
    const recent = this.#recent.get(root.digest)?.fingerprint;
    if (recent?.metadata === metadata.digest) return recent.value;
    const known = await this.#catalog.blobs.fingerprint(metadata.digest, root.digest);
    if (known !== undefined) return parseDigest(known);
    const bytes = await this.#store.read(root.digest);
    const fingerprint = await this.#intake.fingerprint(await this.#load(metadata), bytes);
    await this.#catalog.blobs.recordFingerprint(metadata.digest, root.digest, fingerprint);
    return fingerprint;
  }

  async open(file: SourceFile): Promise<AsyncIterable<Uint8Array>> {
    if (file.from === 'blob') return await this.#store.read(file.digest);
    return (await openFile(file.path)).bytes;
  }

  async commit(draft: VersionDraft, implied: string[]): Promise<PublishOutcome> {
    return await this.#catalog.versions.publish(draft, implied, (blob, isRecorded) =>
      this.#assertStored(blob, isRecorded),
    );
  }

  async commitPush(draft: PushDraft, limits: PushLimits): Promise<PushOutcome> {
    return await this.#catalog.pushed.push(draft, {
      ...limits,
      assertStored: (blob, isRecorded) => this.#assertStored(blob, isRecorded),
    });
  }

  async #assertStored(blob: { digest: string; size: number }, isRecorded: boolean): Promise<void> {
    const { size } = blob;
    const digest = parseDigest(blob.digest);
    // Who collects a blob takes its bytes and its record in one transaction.
    if (isRecorded && this.#justKept(digest)?.size === size) return;
    const stat = await this.#store.stat(digest);
    if (stat?.size === size) return;
    throw new HeadwaterError(
      'unavailable',
      `blob sha256:${digest} is ${stat === undefined ? 'no longer' : 'not whole'} in the store: publish again`,
    );
  }

  /** Remembers what the bytes of a blob in the store are, and the fingerprint they have with their metadata. */
  async #record(name: string, examined: Examined, metadata: MetadataFile | undefined): Promise<KeptFile> {
    const { digest, size, content, fingerprint } = examined;
    const keptAt = new Date();
    const isNew = await this.#catalog.blobs.record(
      { digest, size, content: JSON.stringify(content) },
      keptAt,
      fingerprint === undefined || metadata === undefined
        ? undefined
        : { metadata: metadata.digest, fingerprint },
    );
    const kept = { name, digest, size, content };
    // What is set anew goes to the end, behind what is older.
    this.#recent.delete(digest);
    this.#recent.set(digest, {
      kept,
      at: keptAt.getTime(),
      ...(fingerprint === undefined || metadata === undefined
        ? {}
        : { fingerprint: { metadata: metadata.digest, value: fingerprint } }),
    });
    return { ...kept, ...(isNew ? { keptAt } : {}) };
  }

  async #take(file: InputFile, passage: Passage, size: number | undefined): Promise<Examined> {
    const { examined, bytes } = passage;
    const digest = examined.then((found) => {
      const checked = asExpected(file, found);
      if (file.from === 'stream') file.onChecked?.();
      return checked;
    });
    // The store waits for it too; when the store fails first, nobody would.
    digest.catch(() => undefined);
    const lies = landing(file);
    if (lies !== undefined) {
      for await (const _ of bytes);
      const known = { digest: await digest, size: (await examined).size };
      const adopted = await this.#store.adopt?.(lies, known.digest);
      if (adopted !== true) await this.#store.write((await openFile(lies)).bytes, known);
      return await examined;
    }
    await this.#store.write(bytes, { digest, ...(size === undefined ? {} : { size }) });
    return await examined;
  }

  /** A blob that was kept a moment ago: it need not be looked up. */
  #justKept(digest: Digest): KeptFile | undefined {
    const since = Date.now() - moment;
    for (const [known, { at }] of this.#recent) {
      if (at >= since) break;
      this.#recent.delete(known);
    }
    return this.#recent.get(digest)?.kept;
  }

  /** A blob that was kept before. */
  async #kept(name: string, digest: Digest): Promise<KeptFile> {
    const recent = this.#justKept(digest);
    if (recent !== undefined) return { ...recent, name };
    const record = await this.#catalog.blobs.find(digest);
    const stat = record === undefined ? undefined : await this.#store.stat(digest);
    if (record === undefined || stat?.size !== record.size) {
      throw new HeadwaterError('not-found', `blob sha256:${digest} (${name}) is not here: upload it first`);
    }
    await this.#catalog.blobs.record(record);
    return { name, digest, size: record.size, content: JSON.parse(record.content) as Content };
  }

  async #load(metadata: MetadataFile): Promise<Uint8Array>;
  async #load(metadata: MetadataFile | undefined): Promise<Uint8Array | undefined>;
  async #load(metadata: MetadataFile | undefined): Promise<Uint8Array | undefined> {
    if (metadata === undefined) return undefined;
    if (metadata.bytes !== undefined) return metadata.bytes;
    if (metadata.size > metadataLimit) {
      throw new HeadwaterError(
        'too-large',
        `${metadata.name}: a metadata tarball of ${metadata.size} bytes; at most ${metadataLimit}`,
      );
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of await this.#store.read(metadata.digest)) chunks.push(chunk as Uint8Array);
    return Buffer.concat(chunks);
  }
}
