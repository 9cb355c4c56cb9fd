import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DocumentItem, Headwater } from './headwater.ts';

/** How many of the files that were right before are read once more in each round. */
const repeated = 2;

/** Milliseconds between two rounds: the processes that are killed need the processor too. */
const pause = 50;

/**
 * A client that reads again and again whatever the products document names and holds every byte against it. It only
 * forgives a connection that breaks because the server was killed.
 */
export class DocumentReader {
  readonly #headwater: Headwater;
  readonly #right = new Map<string, DocumentItem>();
  #stopped = false;
  #done: Promise<void> | undefined;
  #rounds = 0;

  constructor(headwater: Headwater) {
    this.#headwater = headwater;
  }

  /** How often it read the document and everything that was new in it. */
  get rounds(): number {
    return this.#rounds;
  }

  start(): void {
    this.#done = this.#run();
    // Whoever stops the reader gets the error.
    this.#done.catch(() => undefined);
  }

  /** @throws Error when a file was missing, cut short or wrong */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  /** Reads every file that the document names. @throws Error as `stop` does */
  async readAll(): Promise<void> {
    for (const item of await this.#items()) await this.#read(item);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const { lives } = this.#headwater;
      try {
        await this.#round();
        this.#rounds++;
      } catch (error) {
        const killed = !this.#headwater.serving || this.#headwater.lives !== lives;
        if (error instanceof BrokenPromise || !killed) throw error;
      }
      await sleep(pause);
    }
  }

  async #round(): Promise<void> {
    const items = await this.#items();
    const known = items.filter((item) => this.#right.has(item.path));
    const again = known.sort(() => Math.random() - 0.5).slice(0, repeated);
    for (const item of [...items.filter((one) => !this.#right.has(one.path)), ...again]) {
      await this.#read(item);
      this.#right.set(item.path, item);
    }
  }

  async #items(): Promise<DocumentItem[]> {
    const { products } = await this.#headwater.document();
    return Object.values(products)
      .flatMap(({ versions }) => Object.values(versions))
      .flatMap(({ items }) => Object.values(items));
  }

  async #read({ path, sha256, size }: DocumentItem): Promise<void> {
    const response = await this.#headwater.fetch(`/${path}`);
    if (response.status !== 200) throw new BrokenPromise(`${path}: status ${response.status}`);
    const hash = createHash('sha256');
    let length = 0;
    for await (const chunk of response.body ?? []) {
      hash.update(chunk as Uint8Array);
      length += (chunk as Uint8Array).length;
    }
    if (length !== size) throw new BrokenPromise(`${path}: ${length} of ${size} bytes`);
    if (hash.digest('hex') !== sha256) throw new BrokenPromise(`${path}: other bytes than announced`);
  }
}

/** An answer that no server may ever give, killed or not. */
class BrokenPromise extends Error {}
