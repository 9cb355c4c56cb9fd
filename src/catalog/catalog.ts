import { Audit } from './audit.ts';
import { Bundles } from './bundles/bundles.ts';
import { Receipts } from './bundles/receipts.ts';
import { ReceivedBundles } from './bundles/received-bundles.ts';
import { Withdrawals } from './bundles/withdrawals.ts';
import type { Actor } from './database/audit-record.ts';
import { type ChangeFeed, Changes, PolledFeed } from './database/change-feed.ts';
import { Database, type OnCommitted } from './database/database.ts';
import type { Reserve } from './database/reserve.ts';
import { DocumentTimes } from './document-times.ts';
import { Evidence } from './evidence/evidence.ts';
import { GeneratedFiles } from './generated/generated-files.ts';
import { Layers } from './generated/layers.ts';
import { Clients } from './identities/clients.ts';
import { Tokens } from './identities/tokens.ts';
import { Fingerprints } from './images/fingerprints.ts';
import { ImageAliases } from './images/image-aliases.ts';
import { Images } from './images/images.ts';
import { Pushed } from './images/pushed.ts';
import { Repositories } from './images/repositories.ts';
import { ImageServerRecords } from './mirrors/image-servers.ts';
import { Mirrors } from './mirrors/mirrors.ts';
import { Aliases } from './products/aliases.ts';
import { Sources } from './products/blob-sources.ts';
import { Blobs } from './products/blobs.ts';
import { Products } from './products/products.ts';
import { Streams } from './products/streams.ts';
import { Versions } from './products/versions.ts';
import { Secrets } from './secrets.ts';
import { Scrubs } from './storage/scrubs.ts';
import { Storage } from './storage/storage.ts';

/** What exists: the record of every product, version, alias, blob, token, client and mirror. */
export class Catalog {
  readonly products: Products;
  readonly images: Images;
  readonly fingerprints: Fingerprints;
  readonly versions: Versions;
  readonly pushed: Pushed;
  readonly imageAliases: ImageAliases;
  readonly aliases: Aliases;
  readonly blobs: Blobs;
  readonly tokens: Tokens;
  readonly clients: Clients;
  readonly audit: Audit;
  readonly changes: Changes;
  /** Reports changes of other processes; {@link onCommitted} reports those of this one. */
  readonly feed: ChangeFeed;
  readonly mirrors: Mirrors;
  readonly sources: Sources;
  readonly imageServers: ImageServerRecords;
  readonly storage: Storage;
  readonly scrubs: Scrubs;
  readonly documentTimes: DocumentTimes;
  readonly streams: Streams;
  readonly bundles: Bundles;
  readonly receipts: Receipts;
  readonly received: ReceivedBundles;
  readonly evidence: Evidence;
  readonly repositories: Repositories;
  readonly secrets: Secrets;
  readonly generated: GeneratedFiles;
  readonly withdrawals: Withdrawals;
  readonly layers: Layers;
  readonly #database: Database;

  private constructor(database: Database) {
    this.#database = database;
    this.products = new Products(database);
    this.images = new Images(database);
    this.fingerprints = new Fingerprints(database);
    this.versions = new Versions(database);
    this.pushed = new Pushed(database);
    this.imageAliases = new ImageAliases(database);
    this.aliases = new Aliases(database);
    this.blobs = new Blobs(database);
    this.tokens = new Tokens(database);
    this.clients = new Clients(database);
    this.audit = new Audit(database);
    this.changes = new Changes(database);
    this.feed = new PolledFeed(database);
    this.mirrors = new Mirrors(database);
    this.sources = new Sources(database);
    this.imageServers = new ImageServerRecords(database);
    this.storage = new Storage(database);
    this.scrubs = new Scrubs(database);
    this.documentTimes = new DocumentTimes(database);
    this.streams = new Streams(database);
    this.bundles = new Bundles(database);
    this.receipts = new Receipts(database);
    this.received = new ReceivedBundles(database);
    this.evidence = new Evidence(database);
    this.repositories = new Repositories(database);
    this.secrets = new Secrets(database);
    this.generated = new GeneratedFiles(database);
    this.withdrawals = new Withdrawals(database);
    this.layers = new Layers(database);
  }

  /**
   * Opens the catalog kept in an SQLite file, or makes it. Several processes may have it open.
   * @throws HeadwaterError `unavailable`, naming the file
   */
  static async open(file: string): Promise<Catalog> {
    return new Catalog(await Database.open(file));
  }

  /** The same catalog, in whose audit log `actor` makes the changes. */
  by(actor: Actor): Catalog {
    return new Catalog(this.#database.by(actor));
  }

  /**
   * Calls `listener` after each change of this process that documents show, once it would survive a power failure.
   * @returns stops calling it
   */
  onCommitted(listener: OnCommitted): () => void {
    return this.#database.onCommitted(listener);
  }

  /** The identity of this catalog, a random name from its creation. */
  async instance(): Promise<string> {
    const row = await this.#database.reads.selectFrom('instance').select('name').executeTakeFirstOrThrow();
    return row.name;
  }

  /** Space that changes may use on a full disk. */
  get reserve(): Reserve {
    return this.#database.reserve;
  }

  /**
   * Checks the database for damage. Takes a second for some 100 MiB, with pauses.
   * @returns what is damaged and what to do; undefined when nothing is
   */
  async damage(): Promise<string | undefined> {
    return await this.#database.damage();
  }

  /** Damage that {@link damage} or any use of the catalog has found, and what to do. */
  get knownDamage(): string | undefined {
    return this.#database.knownDamage;
  }

  /** The sizes of the catalog, for `/metrics`. */
  async size(): Promise<{ products: number; versions: number; blobs: number; bytes: number }> {
    const count = async (table: 'products' | 'versions') => {
      const row = await this.#database.reads
        .selectFrom(table)
        .select((expression) => expression.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow();
      return row.count;
    };
    const blobs = await this.#database.reads
      .selectFrom('blobs')
      .select((expression) => [
        expression.fn.countAll<number>().as('count'),
        expression.fn.sum<number | null>('size').as('bytes'),
      ])
      .executeTakeFirstOrThrow();
    return {
      products: await count('products'),
      versions: await count('versions'),
      blobs: blobs.count,
      bytes: blobs.bytes ?? 0,
    };
  }

  async close(): Promise<void> {
    await this.#database.close();
  }
}
