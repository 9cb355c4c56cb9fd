import { ExpiringMap } from '../../async/expiring-map.ts';
import { assemble, type Document, gzipSegment } from '../../simplestreams/write/gzip-segment.ts';
import type { SignedForms } from './documents-handler.ts';

/** The lifetime of cached checksums and signatures in milliseconds, and their number. */
const keptFor = 3_600_000;
const keptDocuments = 1000;

/** Documents with checksums, and their signatures. */
export class ChecksumDocuments {
  readonly #signed: SignedForms | undefined;
  /** By their text. */
  readonly #documents = new ExpiringMap<string, Promise<Document>>(keptFor, { maxEntries: keptDocuments });

  /** @param signed undefined for a server that does not sign */
  constructor(signed: SignedForms | undefined) {
    this.#signed = signed;
  }

  /** The document of a text. The same text always gives the same object, because signatures are looked up by object. */
  of(text: string): Promise<Document> {
    const known = this.#documents.get(text);
    if (known !== undefined) return known;
    const made = gzipSegment(text).then((segment) => assemble([segment], 'text/plain; charset=us-ascii'));
    this.#documents.set(text, made);
    return made;
  }

  /** The detached signature of that document; undefined on a server that does not sign. @throws HeadwaterError if signing fails */
  async signature(text: string): Promise<Document | undefined> {
    return await this.#signed?.detachedChecksums(await this.of(text));
  }
}

/**
 * A line of checksums, with two spaces between checksum and name, which systemd 252 requires.
 * @param name as in the last part of the URL
 */
export function checksumLine(digest: string, name: string): string {
  return `${digest}  ${name}\n`;
}
