import type { Readable } from 'node:stream';
import type { BlobStore } from '../../blobs/blob-store.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { LackingVersion } from '../../catalog/generated/generated-files.ts';
import { type Compression, compressionSuffixes } from '../../image/content.ts';
import { parseDigest } from '../../model/digest.ts';
import { type RootForm, rootForms } from '../../model/generated-files.ts';
import { keysOf } from '../../model/keys-of.ts';
import { productName } from '../../model/names.ts';
import type { LocalDestination } from '../destination/local-destination.ts';
import { repack } from './repack.ts';
import { canReadSquashfs, squashfsAsTar } from './squashfs-tar.ts';

interface Options {
  xzStreams: readonly string[];
  gzipStreams: readonly string[];
  /** For copies of files that programs read. */
  directory: string;
  onMade: (kind: RootForm, version: LackingVersion, made: { size: number; seconds: number }) => void;
}

/** Makes forms of roots, which takes minutes. */
export class RootForms {
  readonly #parts: { catalog: Catalog; store: BlobStore; destination: LocalDestination };
  readonly #options: Options;
  readonly #readsSquashfs = canReadSquashfs();

  constructor(
    parts: { catalog: Catalog; store: BlobStore; destination: LocalDestination },
    options: Options,
  ) {
    this.#parts = parts;
    this.#options = options;
  }

  /** The next version that lacks a form, by ids. @param after only versions with a higher id */
  async next(kind: RootForm, after: number): Promise<LackingVersion | undefined> {
    const { generated, layers } = this.#parts.catalog;
    const streams = kind === 'xz-root' ? this.#options.xzStreams : this.#options.gzipStreams;
    if (streams.length === 0) return undefined;
    if (kind === 'gzip-root') return await layers.lacking({ streams, after, squashfs: this.#readsSquashfs });
    return (await generated.lacking({ kind, xzStreams: streams, after, limit: 1 }))[0];
  }

  /** A form of a root: the one that another version has, or a new one. */
  async make(
    kind: RootForm,
    version: LackingVersion,
    signal: AbortSignal,
  ): Promise<{ digest: string; size: number }> {
    const { catalog, destination } = this.#parts;
    const { root } = version;
    const known = await catalog.generated.madeFrom(kind, root.digest);
    if (known !== undefined && (await catalog.blobs.touch(known.digest))) return known;
    const started = performance.now();
    const source = await this.#openRoot(version, signal);
    const form = rootForms[kind];
    const made = await destination.store({
      from: 'stream',
      name: `${root.file} of ${productName(version.product)} ${version.serial}, compressed with ${form}`,
      bytes: repack(source, compressionOf(root.file), form, signal),
    });
    const seconds = (performance.now() - started) / 1000;
    this.#options.onMade(kind, version, { size: made.size, seconds });
    return made;
  }

  /** The root as a tarball. */
  async #openRoot({ root }: LackingVersion, signal: AbortSignal): Promise<Readable> {
    const { store } = this.#parts;
    const digest = parseDigest(root.digest);
    if (!root.file.endsWith('.squashfs')) return await store.read(digest);
    return squashfsAsTar(store, digest, { directory: this.#options.directory, signal });
  }
}

/** The names of root tarballs in a version follow from their bytes. */
function compressionOf(file: string): Compression {
  const suffix = file.replace(/^.*\.tar/, '');
  return keysOf(compressionSuffixes).find((name) => compressionSuffixes[name] === suffix) ?? 'none';
}
