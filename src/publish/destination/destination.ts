import type { PublishOutcome } from '../../catalog/products/publish-queue.ts';
import type { Compression, Content } from '../../image/content.ts';
import type { TakeDisk } from '../../image/tar/unified.ts';
import type { Digest } from '../../model/digest.ts';
import type { VersionDraft } from '../../model/versions.ts';
import type { Progress, SourceFile } from '../request.ts';

/** A file that is not on the local disk: made by publishing itself (a metadata tarball, the disk out of a unified
 * tarball), or arriving. */
type MadeFile =
  | { from: 'memory'; name: string; bytes: Uint8Array; expectedDigest?: Digest }
  | {
      from: 'stream';
      name: string;
      size?: number;
      bytes: AsyncIterable<Uint8Array>;
      /**
       * Where the bytes lie as a file once they have passed: the store may take that over. With `from`, so many of them are
       * there already, and the others are written there as they pass; also of a source that fails.
       */
      landing?: { path: string; from?: number };
      expectedDigest?: Digest;
      /** Called when all bytes have passed and are the expected ones, before the store is done with them. */
      onChecked?: () => void;
    };

export type InputFile = SourceFile | MadeFile;

/** A file that the destination has, and what it is. */
export interface KeptFile {
  /** What messages call it. */
  name: string;
  digest: Digest;
  /** Bytes. */
  size: number;
  content: Content;
  /** Of small metadata that came just now: its bytes, which need not be read again for the fingerprints of its roots. */
  bytes?: Uint8Array;
  /** Set when it was not there before, and when that was noted: what a failed publish may take back. */
  keptAt?: Date;
}

/** As much of a metadata item as the fingerprints of its roots need. */
export type MetadataFile = Pick<KeptFile, 'name' | 'digest' | 'size' | 'bytes'>;

export interface KeepOptions {
  /** The metadata item of which the file is probably a root: its fingerprint is computed while the bytes pass. */
  metadata?: MetadataFile;
  /** The fingerprint that it has as a root of the metadata item, when that is known: of a large file it is not computed. */
  fingerprint?: Digest;
  progress?: Progress;
}

/**
 * Where a publish goes: a data directory (`local-destination.ts`) or a server (`cli/remote-destination.ts`).
 * The publisher decides what a version is; a destination keeps bytes and commits.
 */
export interface Destination {
  /**
   * Keeps a file, whole and checked, and tells what it is. Sending the same file again is cheap.
   * @throws HeadwaterError `invalid` when it is no image file or not the expected one, and what stores throw
   */
  keep(file: InputFile, options?: KeepOptions): Promise<KeptFile>;

  /**
   * Judges a file by the rules for what leads out of an image on a daemon's host.
   * @returns in words which rules it breaks that only warn
   * @throws HeadwaterError `invalid` where it breaks another
   */
  judge(file: KeptFile): string[];

  /** Takes back a file that a failed publish kept, unless something else has come to use it. */
  discard(file: KeptFile): Promise<void>;

  /** sha256(metadata bytes, then root bytes) of two files it has; reads them only when `keep` could not know. */
  fingerprint(metadata: KeptFile, root: KeptFile): Promise<Digest>;

  /**
   * Splits a unified virtual machine, given as it was given to `keep`: its disk goes to `takeDisk`.
   * @returns the metadata tarball, not compressed
   * @throws HeadwaterError `invalid`, and what stores and `takeDisk` throw
   */
  split(file: SourceFile, compression: Compression, takeDisk: TakeDisk): Promise<Uint8Array>;

  /**
   * Records the version.
   * @throws HeadwaterError `conflict`
   */
  commit(draft: VersionDraft): Promise<PublishOutcome>;
}
