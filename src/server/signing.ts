import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/schema.ts';
import { signingSettings } from '../config/signing.ts';
import { HeadwaterError, messageOf } from '../errors.ts';
import type { SignedForms } from '../http/documents/documents-handler.ts';
import type { PublishedKeys } from '../http/lxc/key-lookup.ts';
import type { ArmoredSignatures } from '../http/lxc/lxc-surface.ts';
import { expiryWarning } from '../keys/expiry.ts';
import { armoredSignature } from '../keys/key-file.ts';
import { SigningKeys, type SigningSettings } from '../keys/signing-keys.ts';
import type { Digest } from '../model/digest.ts';
import { Condition } from '../ops/condition.ts';
import type { Logger } from '../ops/log.ts';
import type { Documents } from '../simplestreams/write/documents.ts';
import type { Document } from '../simplestreams/write/gzip-segment.ts';
import { DetachedSignatures } from '../simplestreams/write/signed/detached-signatures.ts';
import { SignedDocuments } from '../simplestreams/write/signed/signed-documents.ts';
import { SigningThread } from '../simplestreams/write/signed/signing-thread.ts';
import { ArmoredSigning, hideReason } from './armored-signing.ts';
import type { Resources } from './resources.ts';

/** The longest time for which new documents wait for their signatures, in milliseconds. */
const signingTimeout = 10_000;
const expiryInterval = 3_600_000;

/** The part of the metrics that is needed. */
interface Gauges {
  watch(name: string, help: string, read: () => number): void;
}

/** Signs the documents of a server, with the key of its configuration. */
export class Signing implements SignedForms {
  readonly keys: SigningKeys;
  readonly #log: Logger;
  /** Makes detached signatures, for which documents wait. */
  readonly #prompt: SigningThread;
  /** Makes clear-signed documents, which takes longer. */
  readonly #patient: SigningThread;
  readonly #detached: DetachedSignatures;
  readonly #checksums: DetachedSignatures;
  readonly #failing: Condition;
  readonly #unusable: Condition;
  #documents: Documents | undefined;
  #signed: SignedDocuments | undefined;
  #armored: ArmoredSigning | undefined;
  #warned = 0;

  private constructor(keys: SigningKeys, log: Logger, threads: [SigningThread, SigningThread]) {
    this.keys = keys;
    this.#log = log;
    [this.#prompt, this.#patient] = threads;
    this.#detached = new DetachedSignatures((bytes) => this.#prompt.detached(bytes));
    this.#checksums = new DetachedSignatures((bytes) => this.#patient.detached(bytes));
    this.#failing = new Condition(log, {
      level: 'error',
      begins: 'the documents cannot be signed',
      ends: 'the documents are signed again',
    });
    this.#unusable = new Condition(log, {
      level: 'error',
      begins: 'the changed signing key is not used',
      ends: 'the signing key can be used again',
    });
  }

  /** @throws HeadwaterError when the key, its passphrase or the command is missing or cannot be used */
  static async open(settings: SigningSettings, log: Logger, opened: Resources): Promise<Signing> {
    const keys = await SigningKeys.open(settings);
    const exposure = await keys.exposure();
    if (exposure !== undefined) log.warn(exposure);
    const prompt = await SigningThread.start(keys.source);
    opened.onClose('the thread that signs', () => prompt.close());
    const patient = await SigningThread.start(keys.source);
    opened.onClose('the thread that signs documents', () => patient.close());
    const signing = new Signing(keys, log, [prompt, patient]);
    const stop = keys.follow({
      use: async (source) => {
        await prompt.use(source);
        await patient.use(source);
        await signing.#armored?.use(source);
      },
      onChanged: (change) => void signing.#follow(change),
      onProblem: (error) => signing.#unusable.set(error === undefined ? undefined : messageOf(error)),
    });
    opened.onClose('the watch of the signing key', stop);
    opened.onClose('the thread that signs files', () => signing.#armored?.close());
    signing.#warnOfExpiry();
    const timer = setInterval(() => signing.#warnOfExpiry(), expiryInterval).unref();
    opened.onClose('the watch of the expiry', () => clearInterval(timer));
    return signing;
  }

  /** Signs new documents before they are served. The wait is limited. */
  readonly beforeSwap = async (documents: Document[]): Promise<void> => {
    if (documents.length === 0) return;
    const signed = Promise.all(documents.map((document) => this.#detached.of(document)));
    const noted = signed.then(
      () => this.#failing.set(undefined),
      (error: unknown) => this.#failing.set(messageOf(error)),
    );
    await Promise.race([noted, sleep(signingTimeout, undefined, { ref: false })]);
  };

  /** Clear-signs the documents, and follows their changes. */
  async start(documents: Documents, opened: Resources): Promise<void> {
    this.#documents = documents;
    const signed = new SignedDocuments({
      streams: () => documents.served,
      clear: (json) => this.#patient.clear(json),
      indexTime: (form, names, content) => documents.indexTime(form, names, content),
      onState: (error) => this.#failing.set(error === undefined ? undefined : messageOf(error)),
      onIncomplete: (stream, incomplete) =>
        this.#log.warn(
          { stream, ...incomplete },
          'the signed document lacks aliases or products that do not fit in a line of 10,000 bytes',
        ),
    });
    this.#signed = signed;
    opened.onClose('the signed documents', () => signed.stop());
    signed.follow();
    await Promise.race([signed.settled(), sleep(signingTimeout, undefined, { ref: false })]);
  }

  /** Clear-signs the documents that have changed. */
  follow(): void {
    this.#signed?.follow();
  }

  async detached(document: Document): Promise<Document> {
    return await this.#detached.of(document).catch(hideReason);
  }

  /** Signs a bundle. @returns a detached signature, armored */
  async signBundle(bytes: Uint8Array): Promise<string> {
    return await armoredSignature(await this.#patient.detached(Uint8Array.from(bytes)));
  }

  async detachedChecksums(document: Document): Promise<Document> {
    return await this.#checksums.of(document).catch(hideReason);
  }

  /** The same signatures, armored, also of files. @param read opens a stored file */
  armored(read: (digest: Digest) => Promise<Readable>): ArmoredSignatures {
    this.#armored ??= new ArmoredSigning({
      ...{ read, source: () => this.keys.source },
      sign: (bytes) => this.#patient.detached(bytes),
    });
    return this.#armored;
  }

  get publicKeys(): PublishedKeys & { binary: Buffer } {
    return { ...this.keys.published, fingerprints: this.keys.facts.map(({ fingerprint }) => fingerprint) };
  }

  stream(name: string): Document | undefined {
    return this.#signed?.stream(name);
  }

  async index(visible: (stream: string) => boolean): Promise<Document> {
    if (this.#signed === undefined) return hideReason(undefined);
    return await this.#signed.index(visible).catch(hideReason);
  }

  /** A warning for the operator, if signing fails or the key expires soon. */
  get notice(): string | undefined {
    const { reason } = this.#failing;
    return (
      (reason === undefined ? undefined : `the documents cannot be signed: ${reason}`) ??
      this.#unusable.reason ??
      expiryWarning(this.keys.signing.expiresAt)?.text
    );
  }

  showIn(metrics: Gauges): void {
    metrics.watch(
      'headwater_signing_key_expiry_timestamp_seconds',
      'When the signing key expires, in seconds since 1970; NaN for never.',
      () => (this.keys.signing.expiresAt?.getTime() ?? Number.NaN) / 1000,
    );
    metrics.watch('headwater_signing_failing', 'Whether documents cannot be signed.', () =>
      this.#failing.reason === undefined ? 0 : 1,
    );
  }

  async #follow({ signs }: { signs: boolean }): Promise<void> {
    const { fingerprint } = this.keys.signing;
    const published = this.keys.facts.map((key) => key.fingerprint);
    if (!signs) {
      this.#log.info({ published }, 'the published signing keys have changed');
      return;
    }
    try {
      const documents = [...(this.#documents?.served.values() ?? [])].map(({ document }) => document);
      await this.#detached.renew(documents);
      await this.#checksums.renew([]);
      await this.#armored?.renew();
      this.#signed?.renew();
      this.#log.info({ fingerprint, published }, 'another key signs the documents');
      this.#warned = 0;
      this.#warnOfExpiry();
    } catch (error) {
      this.#failing.set(messageOf(error));
    }
  }

  #warnOfExpiry(): void {
    const warning = expiryWarning(this.keys.signing.expiresAt);
    if (warning === undefined || warning.level <= this.#warned) return;
    this.#warned = warning.level;
    this.#log.warn({ fingerprint: this.keys.signing.fingerprint }, warning.text);
  }
}

/**
 * Opens the signing key of a server.
 * @returns `signing`, unless the server does not sign; `notice` gives a warning for the operator
 * @throws HeadwaterError when the key or its passphrase is missing, unless `signing.optional` allows that
 */
export async function openSigning(
  config: Config,
  { log, metrics }: { log: Logger; metrics: Gauges },
  opened: Resources,
): Promise<{ signing?: Signing; notice: () => string | undefined }> {
  const settings = signingSettings(config);
  if (settings === undefined) return { notice: () => undefined };
  try {
    const signing = await Signing.open(settings, log, opened);
    signing.showIn(metrics);
    return { signing, notice: () => signing.notice };
  } catch (error) {
    if (!(error instanceof HeadwaterError)) throw error;
    const isAllowed = config.signing.optional || (await hasExpired(settings));
    if (!isAllowed) {
      throw new HeadwaterError(
        error.kind,
        `the documents cannot be signed: ${error.message}. To start without signatures, set signing.optional to true`,
        { cause: error },
      );
    }
    const problem = `the documents are not signed: ${error.message}`;
    log.error(problem);
    return { notice: () => problem };
  }
}

/** Whether the key has expired. An expired key must not stop a server: images are served without signatures. */
async function hasExpired(settings: SigningSettings): Promise<boolean> {
  try {
    const { expiresAt } = (await SigningKeys.open(settings)).signing;
    return expiresAt !== undefined && expiresAt <= new Date();
  } catch {
    return false;
  }
}
