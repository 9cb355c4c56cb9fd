import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { bundleFiles } from '../../bundle/files.ts';
import { parseSums } from '../../bundle/format/sums.ts';
import {
  type CheckSignature,
  type OpenBundle,
  openBundle,
  readSmall,
} from '../../bundle/verify/open-bundle.ts';
import { isKind } from '../../errors.ts';
import { statOf } from '../../files/file-system.ts';
import { openFile } from '../../files/open-file.ts';
import { StableFiles } from '../../publish/tree/stable-files.ts';

/** What a directory has of a bundle. */
export interface Arrival {
  /** Undefined as long as its manifest and the signature have not arrived. */
  bundle: OpenBundle | undefined;
  /** Files that have not arrived completely. Empty if the bundle is complete. */
  missing: string[];
  /** Whether one of them has not been read, because it may still change. */
  isSettling: boolean;
}

/**
 * Finds out which files of bundles have arrived completely. `SHA256SUMS` is written last and names the others: a file has
 * arrived when it has its SHA-256 there. A file is read only when it has not changed for a while, and only once.
 */
export class ArrivedFiles {
  readonly #check: CheckSignature;
  readonly #files: StableFiles;
  /** The SHA-256 of files in the state in which they were handled. */
  readonly #sums = new Map<string, string>();

  /** @param settle milliseconds for which a file must have been unchanged before it is read */
  constructor(check: CheckSignature, settle: number) {
    this.#check = check;
    this.#files = new StableFiles(settle, settle);
  }

  /**
   * Looks at a directory.
   * @throws HeadwaterError `invalid` if a signature or the manifest is not good: the files may still be arriving
   */
  async look(directory: string): Promise<Arrival> {
    const { manifest, signature, sums, sumsSignature } = bundleFiles;
    const first = await this.#incomplete(directory, [manifest, signature]);
    if (first.missing.length > 0) return { bundle: undefined, ...first };
    const bundle = await openBundle(directory, this.#check);
    const marks = await this.#incomplete(directory, [sums, sumsSignature]);
    if (marks.missing.length > 0) return { bundle, ...marks };
    const path = join(directory, sums);
    const bytes = await readSmall(path);
    await this.#check(bytes, await readSmall(join(directory, sumsSignature)), path);
    const expected = parseSums(bytes.toString());
    return { bundle, ...(await this.#incomplete(directory, [...expected.keys()], expected)) };
  }

  /** Forgets the files that do not exist any more. */
  keepOnly(paths: ReadonlySet<string>): void {
    this.#files.keepOnly(paths);
    for (const path of this.#sums.keys()) if (!paths.has(path)) this.#sums.delete(path);
  }

  /** @param sums the SHA-256 of the files; any if undefined */
  async #incomplete(
    directory: string,
    names: readonly string[],
    sums?: ReadonlyMap<string, string>,
  ): Promise<Omit<Arrival, 'bundle'>> {
    const missing: string[] = [];
    let isSettling = false;
    for (const name of names) {
      const sum = await this.#sumOf(join(directory, name));
      if (sum === 'settling') isSettling = true;
      if (sum === 'settling' || sum === undefined || (sums !== undefined && sum !== sums.get(name))) {
        missing.push(name);
      }
    }
    return { missing, isSettling };
  }

  /** The SHA-256 of a file; undefined if there is none. */
  async #sumOf(path: string): Promise<string | 'settling' | undefined> {
    if ((await statOf(path)) === undefined) return undefined;
    const readiness = await this.#files.look(path, [path]);
    if (readiness === 'handled') return this.#sums.get(path);
    this.#sums.delete(path);
    if (readiness === 'settling') return 'settling';
    const sum = await sha256Of(path);
    this.#files.handle(path);
    // It may have changed while it was read.
    if ((await this.#files.look(path, [path])) !== 'handled') return 'settling';
    if (sum !== undefined) this.#sums.set(path, sum);
    return sum;
  }
}

/** @returns undefined if there is no such file */
async function sha256Of(path: string): Promise<string | undefined> {
  try {
    const hash = createHash('sha256');
    for await (const chunk of (await openFile(path)).bytes) hash.update(chunk);
    return hash.digest('hex');
  } catch (error) {
    if (isKind(error, 'not-found')) return undefined;
    throw error;
  }
}
