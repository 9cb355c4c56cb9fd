import { HeadwaterError, messageOf } from '../errors.ts';
import type { Untyped } from '../publish/untyped-fields.ts';
import { dateOf, type IndexEntry, readIndex } from './index-document.ts';
import { type Verifier, withoutSignature } from './signature.ts';

/** What tells whether a document has changed (RFC 9110, section 8.8). */
export interface Validators {
  etag?: string;
  lastModified?: string;
}

/** Where documents come from: a conditional request each. */
export interface DocumentSource {
  document(
    path: string,
    known?: Validators,
  ): Promise<{ changed: false } | { changed: true; bytes: Uint8Array; validators: Validators }>;
}

/** Documents as they were read before: the index first. */
export type KnownDocuments = { path: string; validators: Validators }[];

/** A document that was read. */
export interface ReadDocument {
  path: string;
  /** What its JSON holds. */
  content: unknown;
}

type Changed = { bytes: Uint8Array; validators: Validators };

/** The index of an upstream, signed or not; the first that is there is taken. */
const signedIndexes = ['streams/v1/index.sjson', 'streams/v1/index.json'];
const plainIndexes = ['streams/v1/index.json', 'streams/v1/index.sjson'];

/** Reads an upstream's index and products documents, verified where a verifier is given. */
export class UpstreamDocuments {
  readonly #source: DocumentSource;
  readonly #verifier: () => Promise<Verifier | undefined>;
  readonly #known: KnownDocuments = [];
  readonly #warnings: string[] = [];

  /** @param parts.verifier undefined where unsigned documents are taken */
  constructor(parts: { source: DocumentSource; verifier: () => Promise<Verifier | undefined> }) {
    this.#source = parts.source;
    this.#verifier = parts.verifier;
  }

  /** Asks whether any of the documents has changed since. Costs a request each, without a body. */
  async haveChanged(known: KnownDocuments): Promise<boolean> {
    if (known.length === 0) return true;
    for (const { path, validators } of known) {
      if (validators.etag === undefined && validators.lastModified === undefined) return true;
      try {
        if ((await this.#source.document(path, validators)).changed) return true;
      } catch (error) {
        // A document that went away: the index tells what took its place.
        if (error instanceof HeadwaterError && error.kind === 'not-found') return true;
        throw error;
      }
    }
    return false;
  }

  /**
   * Reads the index and then every products document, one in memory at a time.
   * @throws HeadwaterError `invalid` when a document is refused or no JSON, `not-found` when there is no index, and
   * what the source throws
   */
  async *read(): AsyncGenerator<ReadDocument> {
    const index = await this.#readIndex();
    let entries = index.entries;
    const done = new Set<string>();
    for (let again = 0; ; again++) {
      try {
        for (const entry of entries) {
          if (done.has(entry.path)) continue;
          const content = await this.#readProducts(entry, index.verifier);
          done.add(entry.path);
          yield content;
        }
        return;
      } catch (error) {
        // The upstream may have moved on between two requests: its new index names what is there now.
        if (again > 0 || !(error instanceof HeadwaterError) || error.kind !== 'not-found') throw error;
        entries = (await this.#readIndex()).entries;
      }
    }
  }

  /** What was read, for {@link haveChanged} of the next time. */
  get known(): KnownDocuments {
    return this.#known;
  }

  /** What looked odd: the documents do not belong together, so what they lack may not be gone. */
  get warnings(): string[] {
    return this.#warnings;
  }

  async #readIndex(): Promise<{ entries: IndexEntry[]; verifier: Verifier | undefined }> {
    const verifier = await this.#verifier();
    for (const path of verifier === undefined ? plainIndexes : signedIndexes) {
      const found = await this.#find(path);
      if (found === undefined) continue;
      const content = await this.#open(path, found, verifier);
      this.#known.length = 0;
      this.#known.push({ path, validators: found.validators });
      return { entries: readIndex(content, path), verifier };
    }
    throw new HeadwaterError('not-found', `the upstream has no ${plainIndexes.join(' and no ')}`);
  }

  async #readProducts(entry: IndexEntry, verifier: Verifier | undefined): Promise<ReadDocument> {
    const found = await this.#find(entry.path);
    if (found === undefined) throw new HeadwaterError('not-found', `the upstream has no ${entry.path}`);
    const content = await this.#open(entry.path, found, verifier);
    this.#known.push({ path: entry.path, validators: found.validators });
    this.#compare(entry, content);
    return { path: entry.path, content };
  }

  /** Caches between us and the upstream may give an old document beside a new index. */
  #compare(entry: IndexEntry, content: unknown): void {
    if (typeof content !== 'object' || content === null) return;
    const fields = content as Untyped;
    const products = typeof fields['products'] === 'object' ? (fields['products'] ?? {}) : {};
    const missing = entry.products.filter((name) => !Object.hasOwn(products, name));
    const updated = dateOf(fields['updated']);
    if (missing.length > 0) {
      this.#warnings.push(
        `${entry.path} is older than the index: it lacks ${missing.length} of its products, such as ${missing[0]}`,
      );
    } else if (updated !== undefined && entry.updated !== undefined && updated < entry.updated) {
      this.#warnings.push(`${entry.path} is older than the index says (${updated.toISOString()})`);
    }
  }

  /** @returns undefined when it is not there */
  async #find(path: string): Promise<Changed | undefined> {
    try {
      const answer = await this.#source.document(path);
      if (!answer.changed) throw new Error(`${path}: not modified, but nothing was known of it`);
      return answer;
    } catch (error) {
      if (error instanceof HeadwaterError && error.kind === 'not-found') return undefined;
      throw error;
    }
  }

  async #open(path: string, { bytes }: Changed, verifier: Verifier | undefined): Promise<unknown> {
    return parse(await this.#verified(path, bytes, verifier), path);
  }

  async #verified(path: string, bytes: Uint8Array, verifier: Verifier | undefined): Promise<string> {
    const text = () => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
    if (verifier === undefined) return withoutSignature(text());
    if (text().startsWith('-----BEGIN PGP')) return await verifier.clearSigned(bytes, path);
    const signature = await this.#find(`${path}.gpg`);
    if (signature === undefined) {
      throw new HeadwaterError(
        'invalid',
        `${path}: refused: it is not signed, and there is no ${path}.gpg: use "unsigned: true" if that is all right`,
      );
    }
    await verifier.detached(bytes, signature.bytes, path);
    return text();
  }
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new HeadwaterError('invalid', `${path}: not JSON: ${messageOf(error)}`, { cause: error });
  }
}
