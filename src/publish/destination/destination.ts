import type { PublishOutcome } from '../../catalog/products/publish.ts';
import type { Compression, Content } from '../../image/content.ts';
import type { TakeDisk } from '../../image/tar/unified.ts';
import type { Digest } from '../../model/digest.ts';
import type { VersionDraft } from '../../model/versions.ts';
import type { ExaminedFile } from '../intake/intake-types.ts';
import type { Progress, SourceFile } from '../request.ts';

/**
 * A file that is not on the local disk: it arrives over the network, or publishing makes it (a metadata tarball, the
 * disk of a unified tarball).
 */
type MadeFile =
  | { from: 'memory'; name: string; bytes: Uint8Array; expectedDigest?: Digest }
  | {
      from: 'stream';
      name: string;
      size?: number;
      bytes: AsyncIterable<Uint8Array>;
      /**
       * A file that contains the bytes once they have passed; the store may take it over. With `from`, the file already
       * has so many bytes already, and the others are written to it as they pass, also when the source fails.
       */
      landing?: {
        path: string;
        from?: number;
        /**
         * Called with the content of the file when all bytes have passed and are the expected ones, before they are
         * stored. When it throws, the file is not stored.
         */
        onChecked?: (examined: ExaminedFile) => Promise<void>;
      };
      expectedDigest?: Digest;
    };

export type InputFile = SourceFile | MadeFile;

/** A file that the destination has stored, and its content. */
export interface StoredFile {
  /** What messages call it. */
  name: string;
  digest: Digest;
  /** Bytes. */
  size: number;
  content: Content;
  /**
   * The bytes of small metadata that was just stored, so that they need not be read again for the fingerprints of its
   * roots.
   */
  bytes?: Uint8Array;
  /** When it was stored, unless it was stored before: a failed publish may withdraw it. */
  storedAt?: Date;
}

/** The fields of a metadata item that the fingerprints of its roots need. */
export type MetadataFile = Pick<StoredFile, 'name' | 'digest' | 'size' | 'bytes'>;

/** The fields of a file that the image rules need. */
export type JudgedFile = Pick<StoredFile, 'name' | 'content'>;

export interface StoreOptions {
  /** The metadata item of which the file is probably a root: its fingerprint is computed while the bytes pass. */
  metadata?: MetadataFile;
  progress?: Progress;
}

/**
 * Where a publish stores files and records versions: a data directory and its store (`local-destination.ts`). The
 * publisher decides what a version consists of.
 */
export interface Destination {
  /**
   * Stores a complete and checked file, and determines its content. Storing the same file again is cheap.
   * @throws HeadwaterError `invalid` when it is not an image file or not the expected one; errors of stores
   */
  store(file: InputFile, options?: StoreOptions): Promise<StoredFile>;

  /**
   * Applies the rules for members that point out of an image on a daemon's host.
   * @returns a warning for each rule that it breaks and that only warns
   * @throws HeadwaterError `invalid` when it breaks another rule
   */
  judge(file: JudgedFile): string[];

  /** Removes a file that a failed publish stored, unless it is in use by now. */
  discard(file: StoredFile): Promise<void>;

  /** sha256(metadata bytes, then root bytes) of two stored files; reads them only when `store` could not compute it. */
  fingerprint(metadata: StoredFile, root: StoredFile): Promise<Digest>;

  /**
   * Splits a unified virtual machine, the same file as was given to `store`: its disk goes to `takeDisk`.
   * @returns the metadata tarball, not compressed
   * @throws HeadwaterError `invalid`; errors of stores and `takeDisk`
   */
  split(file: SourceFile, compression: Compression, takeDisk: TakeDisk): Promise<Uint8Array>;

  /**
   * Records the version.
   * @throws HeadwaterError `conflict`
   */
  commit(draft: VersionDraft): Promise<PublishOutcome>;
}
