import type { Destination, JudgedFile, StoredFile } from './destination.ts';

/** A destination that can withdraw the files that it stored, so that a failed publish leaves nothing. */
export class RevertibleDestination implements Destination {
  readonly #destination: Destination;
  readonly #stored: StoredFile[] = [];

  constructor(destination: Destination) {
    this.#destination = destination;
  }

  async store(...[file, options]: Parameters<Destination['store']>): Promise<StoredFile> {
    const stored = await this.#destination.store(file, options);
    this.#stored.push(stored);
    return stored;
  }

  judge(file: JudgedFile): string[] {
    return this.#destination.judge(file);
  }

  /** Withdraws the stored files. Garbage collection later removes files that cannot be withdrawn now. */
  async rollBack(): Promise<void> {
    // The error to report is that of the publish.
    await Promise.allSettled(this.#stored.map((file) => this.#destination.discard(file)));
  }

  discard(file: StoredFile): Promise<void> {
    return this.#destination.discard(file);
  }

  fingerprint(metadata: StoredFile, root: StoredFile) {
    return this.#destination.fingerprint(metadata, root);
  }

  split(...[file, compression, takeDisk]: Parameters<Destination['split']>) {
    return this.#destination.split(file, compression, takeDisk);
  }

  commit(...[draft]: Parameters<Destination['commit']>) {
    return this.#destination.commit(draft);
  }
}
