import type { Readable } from 'node:stream';
import type { Claim } from '../catalog/images/fingerprints.ts';
import { HeadwaterError, isKind, LimitError } from '../errors.ts';
import { openFile } from '../files/open-file.ts';
import { type Digest, parseDigest } from '../model/digest.ts';
import { unlimited } from '../model/rights.ts';
import type { MetadataFile } from '../publish/destination/destination.ts';
import { wrongFingerprint } from '../publish/version-items.ts';
import type { MirrorServices } from './mirror-services.ts';

/** The most bytes of a metadata item that is kept in memory. Most have a few KiB. */
const maxMetadataSize = 64 * 1024 * 1024;

/** The document of an upstream gives an image a wrong fingerprint. */
export class FalseClaim extends HeadwaterError {
  /** Whether other versions have the file. */
  readonly isNamed: boolean;

  constructor(message: string, { isNamed }: { isNamed: boolean }) {
    super('invalid', message);
    this.name = 'FalseClaim';
    this.isNamed = isNamed;
  }
}

/** A fetched file before it is stored. */
interface FetchedFile {
  digest: Digest;
  path: string;
}

/**
 * Checks the fingerprints of images that were listed before their bytes were stored. Removes versions with a wrong
 * fingerprint.
 */
export class ClaimedFingerprints {
  readonly #services: MirrorServices;

  constructor(services: MirrorServices) {
    this.#services = services;
  }

  /**
   * The metadata with which to compute the fingerprint of an arriving root; undefined if there is nothing to check, or if
   * the metadata is not stored.
   */
  async metadataFor(root: Digest): Promise<MetadataFile | undefined> {
    for (const claim of await this.#claims(root, { sourced: true })) {
      if (claim.root.digest !== root || claim.computed !== undefined) continue;
      const found = await this.#stored(claim);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /**
   * Checks the images of a file that was just fetched.
   * @param fetchMetadata fetches a metadata item that is not stored; undefined when the store has it by then
   * @throws FalseClaim; the errors of `fetchMetadata`, the store and the catalog
   */
  async checkFetched(
    file: FetchedFile,
    fetchMetadata: (digest: Digest) => Promise<Uint8Array | undefined>,
  ): Promise<void> {
    const bytesOf = async (claim: Claim): Promise<Bytes | undefined> => {
      const root = parseDigest(claim.root.digest);
      if (root !== file.digest && !(await this.#isStored(claim.root))) return undefined;
      const metadata = await this.#metadata(claim, file, fetchMetadata);
      return { metadata, root: () => (root === file.digest ? fileBytes(file.path) : this.#read(root)) };
    };
    await this.#check(file.digest, { sourced: true }, bytesOf);
  }

  /**
   * Checks the images of a stored file whose other file is stored too.
   * @param options.sourced only images that are listed on demand
   * @throws FalseClaim; the errors of the store and the catalog
   */
  async checkStored(digest: Digest, options: { sourced: boolean }): Promise<void> {
    await this.#check(digest, options, async (claim) => {
      if (!(await this.#isStored(claim.root))) return undefined;
      const metadata = await this.#stored(claim);
      return metadata && { metadata, root: () => this.#read(parseDigest(claim.root.digest)) };
    });
  }

  /** @param bytesOf the bytes of an image; undefined if one of its files is missing: the fetch of that file checks it */
  async #check(
    digest: Digest,
    options: { sourced: boolean },
    bytesOf: (claim: Claim) => Promise<Bytes | undefined>,
  ): Promise<void> {
    const { catalog, destination } = this.#services;
    const problems: string[] = [];
    const images = new Map<string, Claim>();
    for (const claim of await this.#claims(digest, options)) {
      images.set(`${claim.metadata.digest} ${claim.root.digest}`, claim);
    }
    for (const claim of images.values()) {
      let { computed } = claim;
      if (computed === undefined) {
        const bytes = await bytesOf(claim);
        if (bytes === undefined) continue;
        const root = parseDigest(claim.root.digest);
        computed = await destination.recordFingerprint(bytes.metadata, root, bytes.root);
      }
      const fingerprint = computed;
      const image = { metadata: claim.metadata.digest, root: claim.root.digest, fingerprint };
      // In the audit log, the mirror makes the change.
      const { fingerprints } = catalog.by({ who: claim.owner, from: 'this machine', permit: unlimited });
      for (const { product, serial, claimed } of await fingerprints.refuse(image, options)) {
        problems.push(`${product} ${serial}: ${wrongFingerprint(fingerprint, claimed)}`);
      }
    }
    if (problems.length === 0) return;
    throw new FalseClaim(problems.join('; '), { isNamed: await catalog.fingerprints.isNamed(digest) });
  }

  async #claims(digest: Digest, options: { sourced: boolean }): Promise<Claim[]> {
    return await this.#services.catalog.fingerprints.claims(digest, options);
  }

  async #metadata(
    claim: Claim,
    file: FetchedFile,
    fetchMetadata: (digest: Digest) => Promise<Uint8Array | undefined>,
  ): Promise<MetadataFile> {
    const { digest: name, size } = claim.metadata;
    const digest = parseDigest(name);
    assertFitting(claim);
    if (digest === file.digest) return { name, digest, size, bytes: await wholeFile(file.path) };
    const stored = await this.#stored(claim);
    if (stored !== undefined) return stored;
    const bytes = await fetchMetadata(digest).catch((error: unknown) => {
      if (!(error instanceof HeadwaterError) || error.kind === 'no-space') throw error;
      throw new HeadwaterError('unavailable', `the metadata of the image: ${error.message}`, {
        cause: error,
      });
    });
    return { name, digest, size, ...(bytes === undefined ? {} : { bytes }) };
  }

  async #stored({ metadata: { digest: name, size } }: Claim): Promise<MetadataFile | undefined> {
    if (size > maxMetadataSize || !(await this.#isStored({ digest: name, size }))) return undefined;
    return { name, digest: parseDigest(name), size };
  }

  async #isStored({ digest, size }: { digest: string; size: number }): Promise<boolean> {
    return (await this.#services.store.stat(parseDigest(digest)))?.size === size;
  }

  async #read(digest: Digest): Promise<Readable> {
    return await this.#services.store.read(digest);
  }
}

/** The bytes of an image. */
interface Bytes {
  metadata: MetadataFile;
  root: () => Promise<AsyncIterable<Uint8Array>>;
}

async function fileBytes(path: string): Promise<AsyncIterable<Uint8Array>> {
  return (await openFile(path)).bytes;
}

async function wholeFile(path: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of await fileBytes(path)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** @throws LimitError when metadata is too large for memory */
function assertFitting({ product, serial, metadata: { size } }: Claim): void {
  if (size <= maxMetadataSize) return;
  throw new LimitError(
    'metadataSize',
    'too-large',
    `${product} ${serial}: a metadata tarball of ${size} bytes; at most ${maxMetadataSize}`,
  );
}

/** The error for a client that asked for a file: a false claim is not the client's mistake. */
export function asUnavailable(error: unknown): unknown {
  return error instanceof FalseClaim || isKind(error, 'too-large')
    ? new HeadwaterError('unavailable', error.message, { cause: error })
    : error;
}
