import { resolve } from 'node:path';
import { HeadwaterError } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import type { StableFiles } from './stable-files.ts';
import type { Known } from './tree.ts';
import { indexOf, readTreeDocuments, type TreeDocuments } from './tree-documents.ts';
import { type FoundRequest, type TreeVersion, treeVersions } from './tree-versions.ts';
import type { TreeFailure } from './tree-walk.ts';
import type { WatchHints } from './watch-hints.ts';

export interface TreeScanOptions {
  /** Publishes a version; the next waits until this is done. A rejection goes to `onError`. */
  onVersion: (found: FoundRequest) => void | Promise<void>;
  /**
   * Receives the failures. A version is tried again when its files change; and after a while, too, when the fault was
   * not its own (the store is down or full).
   */
  onError: (failure: TreeFailure) => void;
  /** Ends the watching, between two versions. */
  signal: AbortSignal;
  /** Called for a version before its files are checked. */
  known?: Known;
}

const noDocuments: TreeDocuments = { paths: [], versions: [], failures: [] };

/** Scans a tree repeatedly for versions that have become stable since the last scan. */
export class TreeScan {
  readonly #directory: string;
  readonly #options: TreeScanOptions;
  readonly #settling: StableFiles;
  readonly #hints: WatchHints;
  #documents: TreeDocuments | undefined;
  /** The failures of the last scan, so that each is reported only once. */
  #failures = new Map<string, string>();

  constructor(directory: string, options: TreeScanOptions, settling: StableFiles, hints: WatchHints) {
    this.#directory = resolve(directory);
    this.#options = options;
    this.#settling = settling;
    this.#hints = hints;
  }

  /** Scans once, and passes on the stable versions. @returns whether some are not stable yet */
  async run(): Promise<boolean> {
    const index = indexOf(this.#directory);
    const seen = new Set([index]);
    const directories = new Set<string>();
    const failures: TreeFailure[] = [];
    let unsettled = await this.#readDocuments(index);
    try {
      const documents = this.#documents ?? noDocuments;
      const versions = treeVersions(this.#directory, documents, (path) => directories.add(path));
      for await (const version of versions) {
        if (this.#options.signal.aborted) return false;
        if ('error' in version) {
          failures.push(version);
        } else {
          seen.add(version.path);
          if (await this.#consider(version)) unsettled = true;
        }
      }
      this.#settling.keepOnly(seen);
    } catch (error) {
      if (!(error instanceof HeadwaterError)) throw error;
      failures.push({ path: this.#directory, error });
      if (error.kind === 'not-found') this.#settling.keepOnly(new Set([index]));
    }
    this.#hints.watch(directories);
    this.#report(failures);
    return unsettled;
  }

  /** Documents are rewritten while they are watched, not always at once: they must become stable like versions. */
  async #readDocuments(index: string): Promise<boolean> {
    const paths = new Set([index, ...(this.#documents?.paths ?? [])]);
    const readiness = await this.#settling.look(index, [...paths]);
    if (readiness === 'ready') {
      const read = await readTreeDocuments(this.#directory);
      // The versions of a document stay until it can be read again: they are not gone.
      const broken = read.failures.some(({ path }) => read.paths.includes(path));
      this.#documents = broken ? { ...read, versions: this.#documents?.versions ?? read.versions } : read;
      this.#settling.handle(index);
    }
    return readiness === 'settling';
  }

  /** @returns whether the version is not stable yet */
  async #consider(version: TreeVersion): Promise<boolean> {
    const { path, product, serial } = version;
    const settling = this.#settling;
    if (settling.isFinished(path)) return false;
    if (!settling.has(path) && (await this.#options.known?.(product, serial))) {
      settling.finish(path);
      return false;
    }
    // A directory that cannot be listed gives its error when it is read.
    const readiness = await settling.look(path, await version.listFiles().catch(() => []));
    if (readiness !== 'ready') return readiness === 'settling';
    try {
      await this.#options.onVersion(await version.read());
      settling.finish(path);
    } catch (error) {
      if (this.#options.signal.aborted) return false;
      settling.handle(path, error);
      this.#options.onError({ path, error: fileError(error, { path, doing: 'read', isInput: true }) });
    }
    return false;
  }

  #report(failures: TreeFailure[]): void {
    // Until the documents are read, directories that they explain look like faults.
    if (this.#documents === undefined) return;
    const before = this.#failures;
    this.#failures = new Map(failures.map(({ path, error }) => [path, error.message]));
    for (const failure of failures) {
      if (before.get(failure.path) !== failure.error.message) this.#options.onError(failure);
    }
  }
}
