import { type ProductKey, productName } from '../../model/names.ts';
import type { Document } from '../../simplestreams/write/gzip-segment.ts';
import { type ChecksumDocuments, checksumLine } from '../documents/checksum-documents.ts';
import { findImageFile, type ImageFile, type VersionFiles } from '../documents/image-files.ts';
import { entriesOf, fileIn } from './flat-directory.ts';

const sumsFile = 'SHA256SUMS';
const checksumSuffix = '.sha256';
/** systemd refuses larger lists, in bytes. */
const maxSumsLength = 1024 * 1024;

/** A file of the flat view, or its checksums, with the rights to read it. */
export type FlatFile =
  | { image: ImageFile }
  | { stream: string; hidden: boolean; document: () => Promise<Document | undefined> };

/**
 * What systemd asks for beside image files: a checksum for each file (systemd-pull), and for each product a directory with the
 * files of all versions, whose names contain the serial (systemd-sysupdate).
 */
export class SystemdSurface {
  readonly #files: VersionFiles;
  readonly #sums: ChecksumDocuments;

  constructor(files: VersionFiles, sums: ChecksumDocuments) {
    this.#files = files;
    this.#sums = sums;
  }

  /** The segments of the file whose checksum is at the segments of a path after `images`; undefined where there is none. */
  summedFile(segments: readonly string[]): string[] | undefined {
    const name = segments.at(-1) ?? '';
    if (!name.endsWith(checksumSuffix)) return undefined;
    return [...segments.slice(0, -1), name.slice(0, -checksumSuffix.length)];
  }

  /** The checksum of a file. @param name as in the URL */
  async checksum(file: { digest: string }, name: string): Promise<Document> {
    return await this.#sums.of(checksumLine(file.digest, name));
  }

  /** The file at the segments of a path after `sysupdate`; undefined where there is none. */
  async find(segments: readonly string[]): Promise<FlatFile | undefined> {
    const place = segments.length === 6 ? segments[0] : '';
    const [os, release, architecture, variant, name] = segments.slice(-5);
    if (segments.length < 5 || segments.length > 6 || place === undefined) return undefined;
    if (os === undefined || release === undefined || architecture === undefined) return undefined;
    if (variant === undefined || name === undefined) return undefined;
    const key = { os, release, architecture, variant };
    if (name === sumsFile || name === `${sumsFile}.gpg`) return await this.#checksums(key, place, name);
    const at = fileIn(key, name);
    if (at === undefined) return undefined;
    const path = [...(place === '' ? [] : [place]), ...Object.values(key), at.serial, at.file];
    const image = await findImageFile(this.#files, path);
    return image === undefined ? undefined : { image };
  }

  async #checksums(key: ProductKey, place: string, name: string): Promise<FlatFile | undefined> {
    const found = await this.#files.products.named(productName(key));
    const product = found.find((each) => (each.place ?? '') === place);
    const versions = product?.versions.filter(({ hidden }) => !hidden) ?? [];
    if (product === undefined || versions.length === 0) return undefined;
    let text = '';
    // The newest versions matter most.
    for (const version of versions.reverse()) {
      const lines = entriesOf(key, version).map((entry) => checksumLine(entry.digest, entry.name));
      if (text.length + lines.join('').length > maxSumsLength) break;
      text = lines.join('') + text;
    }
    const document = () => (name === sumsFile ? this.#sums.of(text) : this.#sums.signature(text));
    return { stream: product.stream, hidden: false, document };
  }
}
