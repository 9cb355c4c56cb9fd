import type { Digest } from '../model/digest.ts';
import type { ImageType } from '../model/item-types.ts';

/** A file to publish: on the local disk, arriving as a stream, or already kept as a blob. */
export type SourceFile =
  | {
      from: 'disk';
      /** What messages call it. */
      name: string;
      path: string;
      /** Leave the file where it is and share its bytes with the store where the file system can. */
      inPlace?: boolean;
      /** SHA-256 that the file must have (from SHA256SUMS or an index); anything else is refused. */
      expectedDigest?: Digest;
    }
  | {
      from: 'blob';
      name: string;
      digest: Digest;
      /** On a delta: the serial of the version whose squashfs it makes this version's of. */
      deltaBase?: string;
    };

/**
 * What whoever publishes says. Everything but the files may be left out: it then comes from metadata.yaml, from
 * the root filesystem, or from defaults. Where the files say something else, what is said here is taken, with a warning;
 * only the architecture must agree.
 */
export interface PublishRequest {
  /** One version's files: metadata and roots in any order, or a unified tarball, or a bare root tarball. */
  files: SourceFile[];
  os?: string;
  release?: string;
  /** Any name of the architecture: `amd64`, `x86_64`, … */
  architecture?: string;
  /** `default` when neither said here nor in metadata.yaml. */
  variant?: string;
  /** Any form that `parseSerial` reads; from metadata.yaml, else the present minute, when left out. */
  serial?: string;
  /** `images` when left out. */
  stream?: string;
  /** Whether a stream that does not exist may be created; checked before the request is carried out. */
  createStream?: boolean;
  /** `release_title` of the document. */
  title?: string;
  /** `label` of the document; `release` when left out. */
  label?: string;
  /** `YYYY-MM-DD` */
  eol?: string;
  /** Beside the ones every product has: `os/release/variant`, and `os/release` for the variant `default`. */
  aliases?: string[];
  requirements?: Record<string, string>;
  /**
   * The distribution's name as people write it (`osTitle` in the catalog); metadata.yaml's `os` property when left out.
   */
  osTitle?: string;
}

/** Called as bytes pass. */
export type Progress = (event: {
  file: string;
  /** Bytes of the file so far, and in all when known. */
  done: number;
  total?: number;
}) => void;

/** What a publish did. */
export interface Published {
  /** `unchanged`: the same version with the same bytes was there already. */
  outcome: 'created' | 'unchanged';
  /** `os:release:architecture:variant` */
  product: string;
  serial: string;
  stream: string;
  aliases: string[];
  /** One per root: what clients call the image's fingerprint. */
  images: { type: ImageType; file: string; fingerprint: string; size: number }[];
  /** What was left out or looked odd, in words: it did not stop the publish. */
  warnings: string[];
}
