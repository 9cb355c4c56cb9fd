import { type ErrorKind, HeadwaterError, isKind, jsonProblem } from '../../errors.ts';
import { type Index, type IndexEntry, readIndex } from '../../simplestreams/read/index-document.ts';
import { type Verifier, withoutSignature } from './signature.ts';

/** Validators for conditional requests (RFC 9110, section 8.8). */
export interface Validators {
  etag?: string;
  lastModified?: string;
}

/** Where documents come from, by conditional requests. */
export interface DocumentSource {
  document(
    path: string,
    known?: Validators,
  ): Promise<{ changed: false } | { changed: true; bytes: Uint8Array; validators: Validators }>;
}

/** The documents of an earlier reading: the index first. */
export type KnownDocuments = { path: string; validators: Validators }[];

/** A products document. */
export interface ReadDocument {
  path: string;
  /** JSON, verified. */
  bytes: Uint8Array;
  /** The time of its last change and its products, according to the index. */
  expected: IndexEntry;
}

type Changed = { bytes: Uint8Array; validators: Validators };

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
   * @throws HeadwaterError `invalid` when a document is refused or the index is malformed, `not-found` when there is no
   * index, and the errors of the source
   */
  async *read(): AsyncGenerator<ReadDocument> {
    let { index, verifier } = await this.#readIndex();
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
      ({ index, verifier } = await this.#readIndex());
    }
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

  async #readIndex(): Promise<{ index: Index; verifier: Verifier | undefined }> {
    const verifier = await this.#verifier();
    for (const path of verifier === undefined ? plainIndexes : signedIndexes) {
      const found = await this.#find(path);
      if (found === undefined) continue;
      const content = parse(await this.#verified(path, found.bytes, verifier), path);
      this.#known.length = 0;
      this.#known.push({ path, validators: found.validators });
      return { index: readIndex(content, path), verifier };
    }
    throw new HeadwaterError('not-found', `the upstream has no ${plainIndexes.join(' and no ')}`);
  }

  /** @returns an error when the upstream answers but does not serve the document */
  async #readProducts(
    entry: IndexEntry,
    verifier: Verifier | undefined,
  ): Promise<ReadDocument | HeadwaterError> {
    let found: Changed | undefined;
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
    const bytes = await this.#verified(entry.path, found.bytes, verifier);
    this.#known.push({ path: entry.path, validators: found.validators });
    return { path: entry.path, bytes, expected: entry };
  }

  /** @returns undefined when the document does not exist */
  async #find(path: string): Promise<Changed | undefined> {
    try {
      const answer = await this.#source.document(path);
      if (!answer.changed) throw new Error(`${path}: not modified, but nothing was known of it`);
      return answer;
    } catch (error) {
      if (isKind(error, 'not-found')) return undefined;
      throw error;
    }
  }

  async #verified(path: string, bytes: Uint8Array, verifier: Verifier | undefined): Promise<Uint8Array> {
    const isSigned = Buffer.from(bytes.subarray(0, 100)).includes('-----BEGIN PGP');
    if (verifier === undefined) {
      return isSigned ? Buffer.from(withoutSignature(Buffer.from(bytes).toString('utf8'))) : bytes;
    }
    if (isSigned) return Buffer.from(await verifier.clearSigned(bytes, path));
    const signature = await this.#find(`${path}.gpg`);
    if (signature === undefined) {
      throw new HeadwaterError(
        'invalid',
        `${path}: refused: it is not signed, and ${path}.gpg does not exist. To accept unsigned documents, set "unsigned: true"`,
      );
    }
    await verifier.detached(bytes, signature.bytes, path);
    return bytes;
  }
}

function parse(bytes: Uint8Array, path: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')) as unknown;
  } catch (error) {
    throw new HeadwaterError('invalid', `${path}: not JSON: ${jsonProblem(error)}`, { cause: error });
  }
}
