import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Alias, Family } from '../catalog/aliases.ts';
import { Catalog } from '../catalog/catalog.ts';
import type { ProductWithVersions } from '../catalog/model.ts';
import type { Token } from '../catalog/tokens.ts';
import type { Config } from '../config/schema.ts';
import { HeadwaterError } from '../errors.ts';
import type { Progress, Published, PublishRequest } from '../publish/request.ts';
import type { Workspace } from '../workspace.ts';
import type { Backend, TokenRequest } from './backend.ts';

/** Works on a data directory, also while a server runs on it. The blob store is opened only when it is needed. */
export class LocalBackend implements Backend {
  readonly #config: Config;
  readonly #catalog: Catalog;
  #workspace: Workspace | undefined;

  private constructor(config: Config, catalog: Catalog) {
    this.#config = config;
    this.#catalog = catalog;
  }

  /**
   * @param options.create whether the data directory may be made
   * @throws HeadwaterError `not-found` when there is none and it may not
   */
  static async open(config: Config, options: { create: boolean }): Promise<LocalBackend> {
    const file = join(config.dataDir, 'catalog.db');
    if (!options.create && !existsSync(file)) {
      throw new HeadwaterError(
        'not-found',
        `${config.dataDir} holds no data of Headwater: name the data directory with --data-dir or --config, or a server with --server`,
      );
    }
    return new LocalBackend(config, await Catalog.open(file));
  }

  async publish(request: PublishRequest, progress: Progress): Promise<Published> {
    const { publish } = await import('../publish/publisher.ts');
    if (this.#workspace === undefined) {
      const { openWorkspace } = await import('../workspace.ts');
      this.#workspace = await openWorkspace(this.#config);
    }
    return await publish(this.#workspace.destination, request, { progress });
  }

  products(): AsyncIterable<ProductWithVersions> {
    return this.#catalog.products.each();
  }

  async productsByAlias(alias: string): Promise<ProductWithVersions[]> {
    return (await this.#catalog.products.byAlias(alias)).filter(({ versions }) => versions.length > 0);
  }

  async product(name: string): Promise<ProductWithVersions | undefined> {
    return await this.#catalog.products.find(name);
  }

  async imagesByFingerprint(prefix: string) {
    return await this.#catalog.products.byFingerprint(prefix);
  }

  async remove(product: string, serial: string): Promise<void> {
    await this.#catalog.versions.remove(product, serial);
  }

  async aliases(): Promise<Alias[]> {
    return await this.#catalog.aliases.list();
  }

  async setAlias(name: string, family: Family): Promise<void> {
    await this.#catalog.aliases.set(name, family);
  }

  async unsetAlias(name: string): Promise<void> {
    await this.#catalog.aliases.unset(name);
  }

  async tokens(): Promise<Token[]> {
    return await this.#catalog.tokens.list();
  }

  async createToken(request: TokenRequest): Promise<{ token: Token; secret: string }> {
    return await this.#catalog.tokens.create(request);
  }

  async revokeToken(idOrName: string): Promise<void> {
    await this.#catalog.tokens.revoke(idOrName);
  }

  async close(): Promise<void> {
    await this.#workspace?.close();
    await this.#catalog.close();
  }
}
