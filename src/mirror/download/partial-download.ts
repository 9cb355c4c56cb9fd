import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../../files/file-error.ts';
import { claimPartial, leavePartial } from '../../files/partial-files.ts';
import { defined } from '../../model/defined.ts';
import type { Digest } from '../../model/digest.ts';
import type { Beginning, FileOrigin } from '../upstream/downloader.ts';

/** What has arrived of a file, in a file of this process's own. It survives restarts, and is removed once stored. */
export class PartialDownload {
  readonly path: string;
  /** What had arrived before, and from where. */
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

  /** Continues what an earlier download of a blob of `size` bytes left. */
  static async claim(directory: string, digest: Digest, size: number): Promise<PartialDownload> {
    const { path, arrived } = await claimPartial(directory, digest, size).catch((error: unknown) => {
      throw fileError(error, { path: directory, doing: 'write' });
    });
    const origin = arrived === 0 ? undefined : await readOrigin(originPath(directory, digest));
    const beginning = { offset: arrived, ...defined({ origin }) };
    return new PartialDownload(path, beginning, { directory, digest });
  }

  /**
   * Records where the bytes come from, for a request that resumes after a restart. If that cannot be written, the digest
   * of the file shows whether the parts belong together.
   */
  async remember(origin: FileOrigin): Promise<void> {
    const text = JSON.stringify(origin);
    if (text === this.#origin) return;
    this.#origin = text;
    await writeFile(originPath(this.#directory, this.#digest), text, { mode: 0o600 }).catch(() => undefined);
  }

  /** Leaves what has arrived to the next download. */
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

/** Undefined when it cannot be read: the digest of the file then shows whether the parts belong together. */
async function readOrigin(path: string): Promise<FileOrigin | undefined> {
  try {
    const fields: Partial<Record<keyof FileOrigin, unknown>> = JSON.parse(await readFile(path, 'utf8'));
    const { base, validator } = fields;
    return typeof base === 'string' && typeof validator === 'string' ? { base, validator } : undefined;
  } catch {
    return undefined;
  }
}
