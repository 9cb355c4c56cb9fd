import { bytesOf } from '../../async/bytes-of.ts';
import { type Outcome, onlyResult, withOutcomes } from '../../async/outcome.ts';
import type { BlobStore } from '../../blobs/blob-store.ts';
import { assertDigest } from '../../blobs/damaged-blob.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Actor } from '../../catalog/database/audit-record.ts';
import type { PushDraft, PushOutcome } from '../../catalog/images/pushed.ts';
import type { PublishOutcome } from '../../catalog/products/publish.ts';
import type { Quotas } from '../../catalog/quotas.ts';
import { within } from '../../errors.ts';
import { openFile } from '../../files/open-file.ts';
import type { Compression } from '../../image/content.ts';
import type { TakeDisk } from '../../image/tar/unified.ts';
import { defined } from '../../model/defined.ts';
import type { Digest } from '../../model/digest.ts';
import type { VersionDraft } from '../../model/versions.ts';
import { type Intake, maxFileInMemory } from '../intake/intake.ts';
import type { ExaminedFile, Passage, Sender } from '../intake/intake-types.ts';
import { type ImageRules, judgeMembers } from '../judge.ts';
import type { PushDestination, PushLimits } from '../push.ts';
import type { SourceFile } from '../request.ts';
import { complete, completeFromFile } from './complete.ts';
import type { InputFile, JudgedFile, MetadataFile, StoredFile, StoreOptions } from './destination.ts';
import { asExpected, landing, openInput, reported, writtenDown } from './input-file.ts';
import { RereadBlobs } from './reread-blobs.ts';
import { type FileInMemory, storeSmall } from './store-small.ts';
import { StoredBlobs } from './stored-blobs.ts';

/** A small file to store together with others. */
export interface SmallInput extends StoreOptions {
  file: FileInMemory;
}

/** The prefix for the digest of the bytes themselves. */
const noBytes = Buffer.alloc(0);

interface Parts {
  catalog: Catalog;
  store: BlobStore;
  intake: Intake;
  /** The limits for versions that identities publish in a stream; no limits if omitted. */
  quotasOf?: (stream: string) => Quotas;
  /** The actions for images that point out of themselves. */
  imageRules?: ImageRules;
  /** Receives images that break a rule set to `warn`, and their senders. */
  onWarning?: (warning: string, client: string) => void;
  /** Shared by the destinations of all actors. */
  reread?: RereadBlobs;
}

/** Publishes into a catalog and a blob store. */
export class LocalDestination implements PushDestination {
  readonly #parts: Parts;
  readonly #catalog: Catalog;
  readonly #store: BlobStore;
  readonly #intake: Intake;
  /** The sender of the files: examinations are shared fairly among clients. */
  readonly #client: string;
  readonly #address: string | undefined;
  readonly #blobs: StoredBlobs;
  readonly #reread: RereadBlobs;

  /**
   * @param client the sender of the files; Headwater itself if omitted
   * @param address the address of the client
   */
  constructor(parts: Parts, client = 'headwater', address?: string) {
    this.#reread = parts.reread ?? new RereadBlobs(parts.store, parts.intake);
    this.#parts = { ...parts, reread: this.#reread };
    this.#client = client;
    this.#address = address;
    this.#catalog = parts.catalog;
    this.#store = parts.store;
    this.#intake = parts.intake;
    this.#blobs = new StoredBlobs(parts.catalog, parts.store);
  }

  /** The same destination; its changes are recorded in the audit log as `actor`'s. */
  by(actor: Actor): LocalDestination {
    return new LocalDestination({ ...this.#parts, catalog: this.#catalog.by(actor) }, actor.who, actor.from);
  }

  async store(file: InputFile, options: StoreOptions = {}): Promise<StoredFile> {
    if (file.from === 'blob') return await this.#blobs.use(file.name, file.digest);
    if (file.from === 'memory' && file.bytes.length <= maxFileInMemory) {
      return onlyResult(await this.storeAll([{ file, ...options }]));
    }
    const metadata = options.metadata === undefined ? undefined : await this.#blobs.load(options.metadata);
    const { size, bytes } = await openInput(file);
    const { progress } = options;
    const passing = progress === undefined ? bytes : reported(bytes, file.name, size, progress);
    const lies = landing(file);
    const passage = this.#intake.pass(passing, {
      ...this.#sender(),
      // A file of this machine can wait for its examination; senders of bytes cannot.
      patient: file.from !== 'stream',
      ...defined({ path: lies, metadata, size }),
      ...writtenDown(file),
    });
    const taken = await this.#take(file, passage, size).catch((error: unknown) => {
      throw within(file.name, error);
    });
    const examined = await this.#completed(file.name, taken);
    const [kept] = await this.#blobs.record([{ name: file.name, examined, metadata: options.metadata }]);
    if (kept === undefined) throw new Error(`${file.name} was not recorded`);
    return kept;
  }

  /**
   * Stores small files together, which costs far less than one after the other.
   * @returns the outcome of each, as of {@link store}
   * @throws HeadwaterError an error of the store or the catalog that concerns all of them
   */
  async storeAll(inputs: readonly SmallInput[]): Promise<Outcome<StoredFile>[]> {
    if (inputs.length === 0) return [];
    const loaded = await Promise.all(
      inputs.map(async ({ file, metadata }) => {
        const after = metadata === undefined ? undefined : await this.#blobs.load(metadata);
        return { file, ...defined({ after }) };
      }),
    );
    const stored = withOutcomes(inputs, await storeSmall(loaded, { ...this.#parts, ...this.#sender() }));
    const whole = stored.flatMap(({ request, outcome }) =>
      'error' in outcome ? [] : [{ ...request, examined: outcome.result }],
    );
    const kept = (
      await this.#blobs.record(
        whole.map(({ file, examined, metadata }) => ({ name: file.name, examined, metadata })),
      )
    ).values();
    return stored.map(({ request: { file, progress }, outcome }) => {
      if ('error' in outcome) return outcome;
      const { value } = kept.next();
      if (value === undefined) throw new Error(`${file.name} was not recorded`);
      progress?.({ file: file.name, done: value.size, total: value.size });
      return { result: value.content.kind === 'metadata' ? { ...value, bytes: file.bytes } : value };
    });
  }

  /** The size of a blob in bytes; undefined unless the actor may use it and its bytes, which are read, are right. */
  async sizeOf(digest: Digest): Promise<number | undefined> {
    const found = await this.#blobs.find(digest);
    return found !== undefined && (await this.#reread.isRight(digest)) ? found.size : undefined;
  }

  judge(file: JudgedFile): string[] {
    const warnings = judgeMembers(file, this.#parts.imageRules ?? {});
    for (const warning of warnings) this.#parts.onWarning?.(warning, this.#client);
    return warnings;
  }

  async discard(file: StoredFile): Promise<void> {
    await this.#blobs.discard(file);
  }

  async fingerprint(metadata: StoredFile, root: StoredFile): Promise<Digest> {
    const known = await this.#blobs.fingerprint(metadata.digest, root.digest);
    if (known !== undefined) return known;
    return await this.recordFingerprint(metadata, root.digest, () => this.#store.read(root.digest));
  }

  /**
   * Computes the fingerprint of an image and remembers it.
   * @param open opens the bytes of the root
   * @throws DamagedBlobError when the stored bytes of one of the two are wrong
   */
  async recordFingerprint(
    metadata: MetadataFile,
    root: Digest,
    open: () => Promise<AsyncIterable<Uint8Array>>,
  ): Promise<Digest> {
    const prefix = await this.#blobs.load(metadata);
    const [digest = root, fingerprint = root] = await this.#intake.hash(await open(), [noBytes, prefix]);
    assertDigest(root, digest);
    await this.#catalog.fingerprints.record([{ metadata: metadata.digest, root, fingerprint }]);
    return fingerprint;
  }

  async split(file: SourceFile, compression: Compression, takeDisk: TakeDisk): Promise<Uint8Array> {
    const source =
      file.from === 'blob' ? await this.#store.read(file.digest) : (await openFile(file.path)).bytes;
    return await this.#intake.split({ client: this.#client, compression, source }, takeDisk);
  }

  async commit(draft: VersionDraft): Promise<PublishOutcome> {
    return await this.#catalog.versions.publish(
      draft,
      (blob, isRecorded) => this.#blobs.assertStored(blob, isRecorded),
      { quotas: this.#parts.quotasOf?.(draft.stream) ?? {} },
    );
  }

  async commitPush(draft: PushDraft, limits: PushLimits): Promise<PushOutcome> {
    return await this.#catalog.pushed.push(draft, {
      ...limits,
      assertStored: (blob, isRecorded) => this.#blobs.assertStored(blob, isRecorded),
    });
  }

  #sender(): Sender {
    return { client: this.#client, ...defined({ address: this.#address }) };
  }

  async #take(file: InputFile, passage: Passage, size: number | undefined): Promise<ExaminedFile> {
    const { examined, bytes } = passage;
    const digest = examined.then((found) => asExpected(file, found));
    // The store also waits for it; if the store fails first, nothing else would.
    digest.catch(() => undefined);
    const lies = landing(file);
    if (lies !== undefined) {
      for await (const _ of bytes);
      const known = { digest: await digest, size: (await examined).size, verified: true } as const;
      const found = file.from === 'stream' ? await completeFromFile(await examined, lies) : await examined;
      if (file.from === 'stream') await file.landing?.onChecked?.(found);
      const adopted = await this.#store.adopt?.(lies, known.digest);
      if (adopted !== true) await this.#store.write((await openFile(lies)).bytes, known);
      return found;
    }
    await this.#store.write(bytes, { digest, ...defined({ size }) });
    return await examined;
  }

  /**
   * The content of a squashfs that was just stored: parts of it can be examined only when all bytes have passed.
   * @throws HeadwaterError `invalid`; it is then removed from the store
   */
  async #completed(name: string, examined: ExaminedFile): Promise<ExaminedFile> {
    const { digest } = examined;
    const read = async (start: number, length: number) => {
      const parts: Uint8Array[] = [];
      const range = { start, end: start + length - 1 };
      for await (const part of bytesOf(await this.#store.read(digest, range))) parts.push(part);
      return Buffer.concat(parts);
    };
    try {
      return await complete(examined, read);
    } catch (error) {
      const [kept] = await this.#blobs.record([
        {
          name,
          examined: { ...examined, content: { kind: 'squashfs', compression: 'none' } },
          metadata: undefined,
        },
      ]);
      if (kept !== undefined) await this.discard(kept);
      throw within(name, error);
    }
  }
}
