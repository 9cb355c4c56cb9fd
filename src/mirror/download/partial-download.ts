import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../../files/file-error.ts';
import { claimPartial, leavePartial } from '../../files/partial-files.ts';
import { defined } from '../../model/defined.ts';
import type { Digest } from '../../model/digest.ts';
import type { Beginning, FileOrigin } from '../upstream/downloader.ts';

/** Where what arrives of a file lies until the store has it, also across restarts; this process's alone. */
export class Landing {
  readonly path: string;
  /** What was here already, and whose bytes they are. */
  readonly beginning: Beginning;
  readonly #directory: string;
  readonly #digest: Digest;
  #origin: string | undefined;

  private constructor(path: string, beginning: Beginning, place: { directory: string; digest: Digest }) {
    this.path = path;
    this.beginning = beginning;
    this.#directory = place.directory;
    this.#digest = place.digest;
  }

  /** Goes on with what an earlier fetch of a blob of `size` bytes left. */
  static async claim(directory: string, digest: Digest, size: number): Promise<Landing> {
    const { path, arrived } = await claimPartial(directory, digest, size).catch((error: unknown) => {
      throw fileError(error, { path: directory, doing: 'write' });
    });
    const origin = arrived === 0 ? undefined : await readOrigin(originPath(directory, digest));
    const beginning = { offset: arrived, ...defined({ origin }) };
    return new Landing(path, beginning, { directory, digest });
  }

  /**
   * Notes whose bytes come, for a request that goes on with them after a restart. Where that cannot be written down, the
   * digest of the whole tells whether the parts fit.
   */
  async remember(origin: FileOrigin): Promise<void> {
    const text = JSON.stringify(origin);
    if (text === this.#origin) return;
    this.#origin = text;
    await writeFile(originPath(this.#directory, this.#digest), text, { mode: 0o600 }).catch(() => undefined);
  }

  /** Leaves what has arrived to whoever goes on with it. */
  async leave(): Promise<void> {
    await leavePartial(this.path, this.#directory, this.#digest);
  }

  async remove(): Promise<void> {
    const paths = [this.path, originPath(this.#directory, this.#digest)];
    await Promise.all(paths.map((path) => rm(path, { force: true })));
  }
}

function originPath(directory: string, digest: Digest): string {
  return join(directory, `origin-${digest}`);
}

/** Nothing when it cannot be read: then the digest of the whole tells whether the parts fit. */
async function readOrigin(path: string): Promise<FileOrigin | undefined> {
  try {
    const { base, validator } = JSON.parse(await readFile(path, 'utf8')) as Partial<FileOrigin>;
    return typeof base === 'string' && typeof validator === 'string' ? { base, validator } : undefined;
  } catch {
    return undefined;
  }
}
