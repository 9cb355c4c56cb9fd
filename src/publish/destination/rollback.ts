import type { Destination, KeptFile } from './destination.ts';

/** A destination that notes what it keeps, so that a publish that fails leaves nothing. */
export class Attempt implements Destination {
  readonly #destination: Destination;
  readonly #kept: KeptFile[] = [];

  constructor(destination: Destination) {
    this.#destination = destination;
  }

  async keep(...[file, options]: Parameters<Destination['keep']>): Promise<KeptFile> {
    const kept = await this.#destination.keep(file, options);
    this.#kept.push(kept);
    return kept;
  }

  judge(file: KeptFile): string[] {
    return this.#destination.judge(file);
  }

  async takeBack(): Promise<void> {
    // What cannot be taken back now is collected as garbage later; the error to report is the first one.
    await Promise.allSettled(this.#kept.map((file) => this.#destination.discard(file)));
  }

  discard(file: KeptFile): Promise<void> {
    return this.#destination.discard(file);
  }

  fingerprint(metadata: KeptFile, root: KeptFile) {
    return this.#destination.fingerprint(metadata, root);
  }

  split(...[file, compression, takeDisk]: Parameters<Destination['split']>) {
    return this.#destination.split(file, compression, takeDisk);
  }

  commit(...[draft]: Parameters<Destination['commit']>) {
    return this.#destination.commit(draft);
  }
}
