import { ExpiringMap } from '../../async/expiring-map.ts';
import type { Products, VersionFiles } from '../../catalog/products/products.ts';
import { publishedNames } from '../../model/item-types.ts';
import { assemble, type Document, gzipSegment } from '../../simplestreams/write/gzip-segment.ts';
import type { SignedForms } from './documents-handler.ts';
import { versionFileAt } from './image-files.ts';

/** The names that systemd-pull expects in the directory of a file. */
const file = 'SHA256SUMS';
const signatureFile = 'SHA256SUMS.gpg';

/** The lifetime of cached checksums and signatures in milliseconds, and their number. */
const keptFor = 3_600_000;
const keptVersions = 1000;

/** The checksums of a version's files, whose rights are those of the files. */
export interface FoundChecksums extends Pick<VersionFiles, 'stream' | 'hidden'> {
  /** Makes the document; undefined for a signature that the server does not make. @throws HeadwaterError if signing fails */
  document(): Promise<Document | undefined>;
}

/** Makes `SHA256SUMS` and `SHA256SUMS.gpg` in the directory of each version. */
export class Checksums {
  readonly #products: Products;
  readonly #signed: SignedForms | undefined;
  /** By their text. */
  readonly #documents = new ExpiringMap<string, Promise<Document>>(keptFor, { maxEntries: keptVersions });

  /** @param signed undefined for a server that does not sign */
  constructor(products: Products, signed: SignedForms | undefined) {
    this.#products = products;
    this.#signed = signed;
  }

  /** Whether the segments of a path after `images` name such a file. */
  isNamed(segments: readonly string[]): boolean {
    const name = segments.at(-1);
    return name === file || name === signatureFile;
  }

  /** The file at the segments of a path after `images`, or undefined. */
  async find(segments: string[]): Promise<FoundChecksums | undefined> {
    const at = versionFileAt(segments);
    const version = at === undefined ? undefined : await this.#products.versionFiles(at.key, at.serial);
    if (at === undefined || version === undefined) return undefined;
    const { stream, hidden } = version;
    return {
      stream,
      hidden,
      document: async () => {
        const document = await this.#document(linesOf(version));
        return at.file === file ? document : await this.#signed?.detachedChecksums(document);
      },
    };
  }

  /** The same text always gives the same object, because signatures are looked up by object. */
  #document(text: string): Promise<Document> {
    const known = this.#documents.get(text);
    if (known !== undefined) return known;
    const made = gzipSegment(text).then((segment) => assemble([segment], 'text/plain; charset=us-ascii'));
    this.#documents.set(text, made);
    return made;
  }
}

/** Lines with two spaces between checksum and name, which systemd 252 requires. The names are those in the URLs. */
function linesOf({ items }: VersionFiles): string {
  const lines = items.flatMap((item) => {
    const names = publishedNames(item).map((name) => name.file);
    return (names.length === 0 ? [item.file] : names).map((name) => `${item.digest}  ${name}\n`);
  });
  return [...new Set(lines)].join('');
}
