import { hash } from 'node:crypto';
import { type ErrorKind, HeadwaterError, isKind, jsonProblem } from '../../errors.ts';
import type { Verifier } from '../../keys/verifier.ts';
import { defined } from '../../model/defined.ts';
import { type Index, type IndexEntry, readIndex } from '../../simplestreams/read/index-document.ts';
import { type VerifiedDocument, verifiedDocument } from './verified-document.ts';

/** Validators for conditional requests (RFC 9110, section 8.8). */
export interface Validators {
  etag?: string;
  lastModified?: string;
}

/** Where documents come from, by conditional requests. */
interface DocumentSource {
  /** @param options.exclude addresses that are not asked */
  document(
    path: string,
    known?: Validators,
    options?: { exclude?: ReadonlySet<string> },
  ): Promise<{ changed: false } | ({ changed: true } & Found)>;
}

interface Found {
  bytes: Uint8Array;
  validators: Validators;
  /** The address that it came from. */
  base: string;
}

/** The documents of an earlier reading: the index first. */
export type KnownDocuments = { path: string; validators: Validators }[];

/** What tells one state of a document from another, and where it comes from. */
export interface DocumentState {
  path: string;
  /** The address that it came from. */
  base: string;
  /** SHA-256 of its JSON, without the signature. */
  sha256: string;
  /** When it was signed; undefined where signatures are not checked. */
  signedAt?: Date;
}

/** Decides which documents of an index are read. */
export interface IndexFilter {
  /**
   * @returns the index with the entries that are to be read
   * @throws what ends the reading
   */
  index(state: DocumentState, index: Index): Index;
}

/** A products document. */
export interface ReadDocument extends DocumentState, VerifiedDocument {
  /** As the upstream served it: with its signature if it is clear-signed. */
  sent: Uint8Array;
  /** The time of its last change and its products, according to the index. */
  expected: IndexEntry;
}

/** The index of an upstream, signed or not: the first that exists is used. */
const signedIndexes = ['streams/v1/index.sjson', 'streams/v1/index.json'];
const plainIndexes = ['streams/v1/index.json', 'streams/v1/index.sjson'];

/** Errors that concern one document, not the upstream. Some stores answer 403 for a missing file. */
const notGivenKinds: ReadonlySet<ErrorKind> = new Set(['forbidden', 'invalid', 'too-large']);

/** Reads an upstream's index and products documents, verified where a verifier is given. */
export class UpstreamDocuments {
  readonly #source: DocumentSource;
  readonly #verifier: () => Promise<Verifier | undefined>;
  readonly #known: KnownDocuments = [];
  readonly #excluded = new Set<string>();
  #unreadable: readonly HeadwaterError[] = [];
  #missing: readonly HeadwaterError[] = [];

  /** @param services.verifier undefined where unsigned documents are accepted */
  constructor(services: { source: DocumentSource; verifier: () => Promise<Verifier | undefined> }) {
    this.#source = services.source;
    this.#verifier = services.verifier;
  }

  /** Whether any of the documents has changed. Costs a conditional request for each. */
  async haveChanged(known: KnownDocuments): Promise<boolean> {
    if (known.length === 0) return true;
    for (const { path, validators } of known) {
      if (validators.etag === undefined && validators.lastModified === undefined) return true;
      try {
        if ((await this.#source.document(path, validators)).changed) return true;
      } catch (error) {
        // The document was removed: the index may name another one.
        if (isKind(error, 'not-found')) return true;
        throw error;
      }
    }
    return false;
  }

  /**
   * Reads the index and then every products document, one at a time. Missing and unreadable documents are skipped
   * ({@link unreadable}, {@link missing}).
   * @param filter all documents are read without one
   * @throws HeadwaterError `invalid` when a document is refused or the index is malformed, `not-found` when there is no
   * index, and the errors of the source
   */
  async *read(filter?: IndexFilter): AsyncGenerator<ReadDocument> {
    let { index, verifier } = await this.#readIndex(filter);
    const done = new Set<string>();
    for (let again = false; ; again = true) {
      const missing: HeadwaterError[] = [];
      for (const entry of index.entries) {
        if (done.has(entry.path)) continue;
        const document = await this.#readProducts(entry, verifier);
        if (document instanceof HeadwaterError) {
          missing.push(document);
          // The upstream may have changed between two requests: its new index names the present documents.
          if (!again) break;
          continue;
        }
        done.add(entry.path);
        yield document;
      }
      this.#unreadable = index.unusable;
      this.#missing = missing;
      if (again || missing.length === 0) return;
      ({ index, verifier } = await this.#readIndex(filter));
    }
  }

  /** Reads no more documents from an address. */
  exclude(base: string): void {
    this.#excluded.add(base);
  }

  /** After {@link read}: unusable entries of the index, with the reason. */
  get unreadable(): readonly HeadwaterError[] {
    return this.#unreadable;
  }

  /** After {@link read}: documents that the index names and the upstream does not serve, with the reason. */
  get missing(): readonly HeadwaterError[] {
    return this.#missing;
  }

  /** The documents that were read, for the next {@link haveChanged}. */
  get known(): KnownDocuments {
    return this.#known;
  }

  async #readIndex(filter?: IndexFilter): Promise<{ index: Index; verifier: Verifier | undefined }> {
    const verifier = await this.#verifier();
    for (const path of verifier === undefined ? plainIndexes : signedIndexes) {
      const found = await this.#find(path);
      if (found === undefined) continue;
      const { bytes, state } = await this.#verified(path, found, verifier);
      const index = readIndex(parse(bytes, path), path);
      this.#known.length = 0;
      this.#known.push({ path, validators: found.validators });
      return { index: filter?.index(state, index) ?? index, verifier };
    }
    throw new HeadwaterError('not-found', `the upstream has no ${plainIndexes.join(' and no ')}`);
  }

  /** @returns an error when the upstream answers but does not serve the document */
  async #readProducts(
    entry: IndexEntry,
    verifier: Verifier | undefined,
  ): Promise<ReadDocument | HeadwaterError> {
    let found: Found | undefined;
    try {
      found = await this.#find(entry.path);
    } catch (error) {
      if (error instanceof HeadwaterError && notGivenKinds.has(error.kind)) return error;
      throw error;
    }
    if (found === undefined) {
      return new HeadwaterError(
        'not-found',
        `${entry.path}: the index names it, but the upstream has no such file`,
      );
    }
    const { state, ...verified } = await this.#verified(entry.path, found, verifier);
    this.#known.push({ path: entry.path, validators: found.validators });
    return { ...state, ...verified, sent: found.bytes, expected: entry };
  }

  /** @returns undefined when the document does not exist */
  async #find(path: string): Promise<Found | undefined> {
    try {
      const answer = await this.#source.document(path, undefined, { exclude: this.#excluded });
      if (!answer.changed) throw new Error(`${path}: not modified, but nothing was known of it`);
      return answer;
    } catch (error) {
      if (isKind(error, 'not-found')) return undefined;
      throw error;
    }
  }

  async #verified(
    path: string,
    { bytes: sent, base }: Found,
    verifier: Verifier | undefined,
  ): Promise<Omit<VerifiedDocument, 'signedAt'> & { state: DocumentState }> {
    const { signedAt, ...verified } = await verifiedDocument(path, sent, {
      verifier,
      signature: async () => (await this.#find(`${path}.gpg`))?.bytes,
    });
    const sha256 = hash('sha256', verified.bytes);
    return { ...verified, state: { path, base, sha256, ...defined({ signedAt }) } };
  }
}

function parse(bytes: Uint8Array, path: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')) as unknown;
  } catch (error) {
    throw new HeadwaterError('invalid', `${path}: not JSON: ${jsonProblem(error)}`, { cause: error });
  }
}
