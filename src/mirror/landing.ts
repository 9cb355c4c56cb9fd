import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { spooled } from '../publish/spool.ts';
import type { Beginning, FileOrigin } from './downloader.ts';

/** Where what arrives of a file lies until the store has it, also across restarts. */
export class Landing {
  readonly path: string;
  readonly #originPath: string;
  #origin: string | undefined;

  constructor(path: string) {
    this.path = path;
    this.#originPath = `${path}.origin`;
  }

  /** What is here already of a file of `size` bytes, and whose bytes they are. */
  async begin(size: number): Promise<Beginning> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    const offset = await spooled(this.path, size);
    const origin = offset === 0 ? undefined : await this.#readOrigin();
    return { offset, ...(origin === undefined ? {} : { origin }) };
  }

  /** Notes whose bytes come, for a request that goes on with them after a restart. */
  async remember(origin: FileOrigin): Promise<void> {
    const text = JSON.stringify(origin);
    if (text === this.#origin) return;
    await writeFile(this.#originPath, text);
    this.#origin = text;
  }

  async remove(): Promise<void> {
    await Promise.all([rm(this.path, { force: true }), rm(this.#originPath, { force: true })]);
  }

  /** Nothing when it cannot be read: then the digest of the whole tells whether the parts fit. */
  async #readOrigin(): Promise<FileOrigin | undefined> {
    try {
      const { base, validator } = JSON.parse(await readFile(this.#originPath, 'utf8')) as Partial<FileOrigin>;
      return typeof base === 'string' && typeof validator === 'string' ? { base, validator } : undefined;
    } catch {
      return undefined;
    }
  }
}
