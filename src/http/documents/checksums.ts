import { ExpiringMap } from '../../async/expiring-map.ts';
import type { VersionFiles as Found } from '../../catalog/products/products.ts';
import type { GeneratedFile } from '../../model/generated-files.ts';
import { publishedNames } from '../../model/item-types.ts';
import { assemble, type Document, gzipSegment } from '../../simplestreams/write/gzip-segment.ts';
import type { SignedForms } from './documents-handler.ts';
import { type VersionFiles, versionFileAt } from './image-files.ts';

/** The names that systemd-pull expects in the directory of a file. */
const file = 'SHA256SUMS';
const signatureFile = 'SHA256SUMS.gpg';

/** The lifetime of cached checksums and signatures in milliseconds, and their number. */
const keptFor = 3_600_000;
const keptVersions = 1000;

/** The checksums of a version's files, whose rights are those of the files. */
export interface FoundChecksums extends Pick<Found, 'stream' | 'hidden'> {
  /** Makes the document; undefined for a signature that the server does not make. @throws HeadwaterError if signing fails */
  document(): Promise<Document | undefined>;
}

/** Makes `SHA256SUMS` and `SHA256SUMS.gpg` in the directory of each version. */
export class Checksums {
  readonly #files: VersionFiles;
  readonly #signed: SignedForms | undefined;
  /** By their text. */
  readonly #documents = new ExpiringMap<string, Promise<Document>>(keptFor, { maxEntries: keptVersions });

  /** @param signed undefined for a server that does not sign */
  constructor(files: VersionFiles, signed: SignedForms | undefined) {
    this.#files = files;
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
    if (at === undefined) return undefined;
    const { products, generated } = this.#files;
    const version = await products.versionFiles(at.key, at.serial);
    if (version === undefined) return undefined;
    const made = generated.served.length === 0 ? [] : await generated.files.ofVersion(at.key, at.serial);
    const served = made.filter(({ kind }) => generated.served.includes(kind));
    const { stream, hidden } = version;
    return {
      stream,
      hidden,
      document: async () => {
        const document = await this.#document(linesOf(version, served));
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
function linesOf({ items }: Found, made: readonly GeneratedFile[]): string {
  const lines = items.flatMap((item) => {
    const names = publishedNames(item).map((name) => name.file);
    return (names.length === 0 ? [item.file] : names).map((name) => `${item.digest}  ${name}\n`);
  });
  return [...new Set([...lines, ...made.map(({ digest, file }) => `${digest}  ${file}\n`)])].join('');
}
