import type { Digest } from '../model/digest.ts';
import type { ImageType } from '../model/item-types.ts';

/** What a document says about a file besides its digest. */
interface Announced {
  /** For a root: the fingerprint that its image must have. */
  expectedFingerprint?: Digest;
}

/** A file to publish: on the local disk, arriving as a stream, or already stored as a blob. */
export type SourceFile =
  | (Announced & {
      from: 'disk';
      /** What messages call it. */
      name: string;
      path: string;
      /** Leave the file in place, and share its bytes with the store if the file system supports it. */
      inPlace?: boolean;
      /** SHA-256 that the file must have (from SHA256SUMS or an index); anything else is refused. */
      expectedDigest?: Digest;
    })
  | (Announced & {
      from: 'blob';
      name: string;
      digest: Digest;
      /** For a delta: the serial of the version to whose squashfs it applies. */
      deltaBase?: string;
    });

/**
 * A request to publish a version. All fields except the files are optional: their values then come from metadata.yaml,
 * from the root filesystem, or from defaults. If the files disagree with the request, the request applies, with a
 * warning; only the architecture must agree.
 */
export interface PublishRequest {
  /** One version's files: metadata and roots in any order, or a unified tarball, or a bare root tarball. */
  files: SourceFile[];
  os?: string;
  release?: string;
  /** Any name of the architecture: `amd64`, `x86_64`, … */
  architecture?: string;
  /** `default` if neither the request nor metadata.yaml gives one. */
  variant?: string;
  /** Any form that `parseSerial` reads. If omitted: from metadata.yaml, or else the current minute. */
  serial?: string;
  /** `images` if omitted. */
  stream?: string;
  /** Whether a stream that does not exist may be created; checked before the request is carried out. */
  createStream?: boolean;
  /** `release_title` of the document. */
  title?: string;
  /** `label` of the document; `release` if omitted. */
  label?: string;
  /** `YYYY-MM-DD` */
  eol?: string;
  /** In addition to the default aliases: `os/release/variant`, and `os/release` for the variant `default`. */
  aliases?: string[];
  requirements?: Record<string, string>;
  /**
   * The distribution's name as people write it (`osTitle` in the catalog); the `os` property in metadata.yaml if
   * omitted.
   */
  osTitle?: string;
}

/** Called as the bytes are read. */
export type Progress = (event: {
  file: string;
  /** Bytes of the file read so far, and its total size if known. */
  done: number;
  total?: number;
}) => void;

/** The result of a publish. */
export interface Published {
  /** `unchanged`: the same version with the same bytes already existed. */
  outcome: 'created' | 'unchanged';
  /** `os:release:architecture:variant` */
  product: string;
  serial: string;
  stream: string;
  aliases: string[];
  /** The fingerprint of each root's image, as clients name it. */
  images: { type: ImageType; file: string; fingerprint: string; size: number }[];
  /** Warnings that did not stop the publish, such as omitted aliases. */
  warnings: string[];
}
