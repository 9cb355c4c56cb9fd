import { existsSync } from 'node:fs';
import { type ToldProvenance, toldProvenance } from '../../access/told-provenance.ts';
import type { AuditEntry } from '../../catalog/audit.ts';
import { Catalog } from '../../catalog/catalog.ts';
import type { Client } from '../../catalog/identities/clients.ts';
import type { Token } from '../../catalog/identities/tokens.ts';
import type { Alias, FamilyReference } from '../../catalog/products/aliases.ts';
import { defaultStream } from '../../catalog/products/streams.ts';
import type { Config } from '../../config/schema.ts';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import type { ProductRef } from '../../model/names.ts';
import { grant } from '../../model/rights.ts';
import type { ProductWithVersions } from '../../model/versions.ts';
import type { Progress, Published, PublishRequest } from '../../publish/request.ts';
import { catalogFileOf } from '../../server/catalog-file.ts';
import type { Workspace } from '../../server/workspace.ts';
import type { AuditRequest, Backend, CreatedToken, TokenRequest } from './backend.ts';
import { commandLineActor } from './command-line-actor.ts';

/** Works on a data directory, also while a server uses it. The blob store is opened only when it is needed. */
export class LocalBackend implements Backend {
  readonly #config: Config;
  readonly #catalog: Catalog;
  #workspace: Workspace | undefined;

  private constructor(config: Config, catalog: Catalog) {
    this.#config = config;
    this.#catalog = catalog;
  }

  /**
   * @param options.create whether a missing data directory is created
   * @throws HeadwaterError `not-found` if it is missing and not created
   */
  static async open(config: Config, options: { create: boolean }): Promise<LocalBackend> {
    const file = catalogFileOf(config);
    if (!options.create && !existsSync(file)) {
      throw new HeadwaterError(
        'not-found',
        `no Headwater data in ${config.dataDir}. Use --data-dir or --config, or --server for a remote server`,
      );
    }
    // A wrong configuration is reported before anything is created.
    if (!existsSync(file) && typeof config.tls === 'object') {
      const { readCertificate } = await import('../../http/connection/self-signed.ts');
      await readCertificate(config.tls);
    }
    return new LocalBackend(config, (await Catalog.open(file)).by(commandLineActor()));
  }

  async publish(request: PublishRequest, progress: Progress): Promise<Published> {
    const { publish } = await import('../../publish/publisher.ts');
    const { checkRequest } = await import('../../publish/checked-request.ts');
    if (request.createStream !== true) await this.#demandStreams([checkRequest(request).stream]);
    if (this.#workspace === undefined) {
      const { openWorkspace } = await import('../../server/workspace.ts');
      this.#workspace = await openWorkspace(this.#config);
    }
    return await publish(this.#workspace.destination.by(commandLineActor()), request, {
      progress,
    });
  }

  products(): AsyncIterable<ProductWithVersions> {
    return this.#catalog.products.each();
  }

  async productsByAlias(alias: string): Promise<ProductWithVersions[]> {
    return (await this.#catalog.products.byAlias(alias)).filter(({ versions }) => versions.length > 0);
  }

  async productsNamed(name: string): Promise<ProductWithVersions[]> {
    return (await this.#catalog.products.named(name)).filter(({ versions }) => versions.length > 0);
  }

  async imagesByFingerprint(prefix: string) {
    return await this.#catalog.products.byFingerprint(prefix);
  }

  async provenance({ stream, name }: ProductRef): Promise<Map<string, ToldProvenance>> {
    const all = await this.#catalog.evidence.ofProduct({ stream, product: name });
    return new Map(all.map((one) => [one.serial, toldProvenance(one, { isAdministrator: true })]));
  }

  async remove(product: ProductRef, serial: string, options: { withdraw?: string } = {}): Promise<void> {
    await this.#catalog.versions.remove(product, serial, new Date(), { ...options, withAliases: true });
  }

  async aliases(): Promise<Alias[]> {
    return await this.#catalog.aliases.list();
  }

  async setAlias(name: string, family: FamilyReference): Promise<void> {
    await this.#catalog.aliases.set(name, family);
  }

  async unsetAlias(name: string, stream: string | undefined): Promise<void> {
    await this.#catalog.aliases.unset(name, stream);
  }

  async tokens(options: { all: boolean }): Promise<Token[]> {
    return await this.#catalog.tokens.list(options);
  }

  async createToken(request: TokenRequest): Promise<CreatedToken> {
    const { name, purpose, expiresAt, createStream, ...rights } = request;
    if (createStream !== true) await this.#demandStreams(rights.streams ?? []);
    const { joinTokenWriter } = await import('./join-token-writer.ts');
    const writer = purpose === 'join' ? await joinTokenWriter(this.#config) : undefined;
    const { token, secret } = await this.#catalog.tokens.create({
      name,
      purpose,
      ...grant(purpose, rights, { pushedTo: this.#config.registry.stream }),
      ...defined({ expiresAt }),
    });
    if (writer === undefined) return { token, secret, warnings: [] };
    return { token, secret: writer.write(token, secret), warnings: writer.warnings };
  }

  async revokeToken(idOrName: string): Promise<void> {
    await this.#catalog.tokens.revoke(idOrName);
  }

  async clients(): Promise<Client[]> {
    return await this.#catalog.clients.list();
  }

  async revokeClient(reference: string): Promise<void> {
    await this.#catalog.clients.revoke(reference);
  }

  async audit(request: AuditRequest): Promise<AuditEntry[]> {
    return await this.#catalog.audit.list(request);
  }

  async close(): Promise<void> {
    await this.#workspace?.close();
    await this.#catalog.close();
  }

  /** @throws HeadwaterError `usage` when one of the streams does not exist */
  async #demandStreams(names: readonly string[]): Promise<void> {
    const { streamsOf } = await import('../../server/workspace.ts');
    const configured = new Set([defaultStream, ...streamsOf(this.#config, [])]);
    if (names.every((name) => configured.has(name))) return;
    const { readMirrors } = await import('../read-mirrors.ts');
    const all = streamsOf(this.#config, await readMirrors(this.#config));
    await this.#catalog.streams.demand(names, { configured: all, mayName: true });
  }
}
