import type { VersionFiles as Found } from '../../catalog/products/products.ts';
import type { GeneratedFile } from '../../model/generated-files.ts';
import { publishedNames } from '../../model/item-types.ts';
import type { Document } from '../../simplestreams/write/gzip-segment.ts';
import { type ChecksumDocuments, checksumLine } from './checksum-documents.ts';
import { type VersionFiles, versionFileAt } from './image-files.ts';

/** The names that systemd-pull expects in the directory of a file. */
const file = 'SHA256SUMS';
const signatureFile = 'SHA256SUMS.gpg';

/** The checksums of a version's files, whose rights are those of the files. */
export interface FoundChecksums extends Pick<Found, 'stream' | 'hidden'> {
  /** Makes the document; undefined for a signature that the server does not make. @throws HeadwaterError if signing fails */
  document(): Promise<Document | undefined>;
}

/** Makes `SHA256SUMS` and `SHA256SUMS.gpg` in the directory of each version. */
export class Checksums {
  readonly #files: VersionFiles;
  readonly #documents: ChecksumDocuments;

  constructor(files: VersionFiles, documents: ChecksumDocuments) {
    this.#files = files;
    this.#documents = documents;
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
    const text = textOf(
      version,
      made.filter(({ kind }) => generated.served.includes(kind)),
    );
    const { stream, hidden } = version;
    return {
      stream,
      hidden,
      document: () => (at.file === file ? this.#documents.of(text) : this.#documents.signature(text)),
    };
  }
}

/** The names are those in the URLs. */
function textOf({ items }: Found, made: readonly GeneratedFile[]): string {
  const lines = items.flatMap((item) => {
    const names = publishedNames(item).map((name) => name.file);
    return (names.length === 0 ? [item.file] : names).map((name) => checksumLine(item.digest, name));
  });
  return [...new Set([...lines, ...made.map(({ digest, file: name }) => checksumLine(digest, name))])].join(
    '',
  );
}
