import { createHash } from 'node:crypto';
import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Catalog } from '../../src/catalog/catalog.ts';
import type { Digest } from '../../src/model/digest.ts';
import { collectGarbage } from '../../src/ops/garbage-collection.ts';
import { tidyAside } from '../../src/ops/set-aside.ts';
import { adoptStore, confirmOwnership } from '../../src/ops/store-owner.ts';
import { draft, stored, testActor } from '../support/catalog.ts';
import type { MemoryStore } from '../support/memory-store.ts';

const hour = 3_600_000;
export const gracePeriod = 6 * hour;
export const keep = 48 * hour;

/** A catalog beside a store, with what administrators and accidents do to the two. */
export class World {
  readonly store: MemoryStore;
  readonly #directory: string;
  #catalog: Catalog | undefined;
  #count = 0;
  #backups = 0;

  constructor(store: MemoryStore, directory: string) {
    this.store = store;
    this.#directory = directory;
  }

  async catalog(): Promise<Catalog> {
    this.#catalog ??= (await Catalog.open(this.#file)).by(testActor);
    return this.#catalog;
  }

  /** A version with one blob of its own. */
  async publish(): Promise<Digest> {
    const catalog = await this.catalog();
    const number = this.#count++;
    const bytes = Buffer.from(`blob ${number}`);
    const digest = createHash('sha256').update(bytes).digest('hex') as Digest;
    const source = (async function* () {
      yield bytes;
    })();
    await this.store.write(source, { digest });
    await catalog.blobs.record([{ digest, size: bytes.length, content: '{}' }]);
    const serial = `2026${String(1 + (number % 12)).padStart(2, '0')}01_${String(number).padStart(4, '0')}`;
    const item = { file: 'rootfs.squashfs', type: 'squashfs', digest, size: bytes.length } as const;
    await catalog.versions.publish(draft({ serial, items: [{ ...item, fingerprint: digest }] }), stored);
    return digest;
  }

  async removeOldest(): Promise<void> {
    const catalog = await this.catalog();
    for await (const { name, versions } of catalog.products.each()) {
      const [oldest] = versions;
      if (oldest !== undefined) await catalog.versions.remove({ stream: 'images', name }, oldest.serial);
    }
  }

  async backup(): Promise<void> {
    await this.#stop();
    await copyFile(this.#file, join(this.#directory, `backup-${this.#backups}`));
    this.#backups++;
  }

  /** Puts a backup in the catalog's place, when there is one. */
  async restore(which: number): Promise<void> {
    if (this.#backups === 0) return;
    await this.#stop();
    await copyFile(join(this.#directory, `backup-${which % this.#backups}`), this.#file);
  }

  async loseCatalog(): Promise<void> {
    await this.#stop();
    for (const name of [this.#file, `${this.#file}-wal`, `${this.#file}-shm`])
      await rm(name, { force: true });
  }

  /** What a server does before anything else. */
  async start(): Promise<void> {
    await confirmOwnership(await this.catalog(), this.store);
    await this.bringBack();
  }

  async bringBack(): Promise<void> {
    await tidyAside(await this.catalog(), this.store);
  }

  async adopt(): Promise<void> {
    await adoptStore(await this.catalog(), this.store);
    await tidyAside(await this.catalog(), this.store);
  }

  async collect() {
    const times = { keepRemoved: keep, keepUnknown: keep };
    return await collectGarbage(await this.catalog(), this.store, { gracePeriod, strays: true, ...times });
  }

  /** The blobs that versions name now. */
  async named(): Promise<Digest[]> {
    const digests: Digest[] = [];
    for await (const { versions } of (await this.catalog()).products.each()) {
      for (const { items } of versions) digests.push(...items.map(({ digest }) => digest as Digest));
    }
    return digests;
  }

  /** Whether the bytes of a blob are still there, in their place or set aside. */
  has(digest: Digest): boolean {
    return this.store.blobs.has(digest) || this.store.setAsideBlobs.has(digest);
  }

  async close(): Promise<void> {
    await this.#stop();
  }

  /** A clean end, after which the file is the whole catalog. */
  async #stop(): Promise<void> {
    await this.#catalog?.close();
    this.#catalog = undefined;
  }

  get #file(): string {
    return join(this.#directory, 'catalog.db');
  }
}
