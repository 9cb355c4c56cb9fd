import { generatedFileName } from '../../model/generated-files.ts';
import type { Document } from '../../simplestreams/write/gzip-segment.ts';
import type { LxcIndex } from './lxc-index.ts';

/** Detached signatures in the form that LXC before 4.0.12 reads. */
export interface ArmoredSignatures {
  /** The signature of a document. @throws HeadwaterError if signing fails */
  document(document: Document): Promise<Document>;
  /**
   * The signature of a stored file, which is read once.
   * @throws HeadwaterError if signing fails; what reading the file throws
   */
  file(file: { digest: string; size: number }): Promise<Document>;
}

const signatureSuffix = '.asc';
/** The files whose signatures the template asks for. */
const signedFiles = [generatedFileName('xz-root'), generatedFileName('lxc-metadata')];
/** The suffixes tell the versions of the format that a client knows. All get the same index. */
const indexName = /^index-(?:system|user)(?:\.[57])?(?<signature>\.asc)?$/;

/** What the template "download" of LXC asks for beside image files: indexes and signatures. */
export class LxcSurface {
  readonly #index: LxcIndex;
  readonly #signed: ArmoredSignatures | undefined;

  /** @param signed undefined for a server that does not sign */
  constructor(index: LxcIndex, signed: ArmoredSignatures | undefined) {
    this.#index = index;
    this.#signed = signed;
  }

  /**
   * The document at the segments of a path, as far as a client may see it; undefined where there is none.
   * @throws HeadwaterError if signing fails
   */
  async find(
    [root, version, name = '', ...rest]: readonly string[],
    visible: (stream: string) => boolean,
  ): Promise<Document | undefined> {
    const match = indexName.exec(name);
    if (root !== 'meta' || version !== '1.0' || match === null || rest.length > 0) return undefined;
    const isSignature = match.groups?.['signature'] !== undefined;
    if (isSignature && this.#signed === undefined) return undefined;
    const index = await this.#index.of(visible);
    return isSignature ? await this.#signed?.document(index) : index;
  }

  /** The segments of the file whose signature is at the segments of a path; undefined where there is none. */
  signedFile(segments: readonly string[]): string[] | undefined {
    const name = segments.at(-1) ?? '';
    const file = signedFiles.find((each) => name === each + signatureSuffix);
    return this.#signed === undefined || file === undefined ? undefined : [...segments.slice(0, -1), file];
  }

  /** The signature of a file. @throws HeadwaterError as {@link ArmoredSignatures.file} */
  async signature(file: { digest: string; size: number }): Promise<Document | undefined> {
    return await this.#signed?.file(file);
  }
}
