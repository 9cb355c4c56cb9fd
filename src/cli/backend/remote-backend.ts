import type { AuditEntry } from '../../catalog/audit.ts';
import type { Client } from '../../catalog/identities/clients.ts';
import type { Token } from '../../catalog/identities/tokens.ts';
import type { Alias, FamilyReference } from '../../catalog/products/aliases.ts';
import { defined } from '../../model/defined.ts';
import type { Digest } from '../../model/digest.ts';
import type { ProductRef } from '../../model/names.ts';
import type { ProductWithVersions, Version } from '../../model/versions.ts';
import { checkRequest } from '../../publish/checked-request.ts';
import type { Progress, Published, PublishRequest, SourceFile } from '../../publish/request.ts';
import { ApiClient, type ApiTarget } from './api-client.ts';
import type { AuditRequest, Backend, CreatedToken, FoundImage, TokenRequest } from './backend.ts';
import { hashFile, uploadBlob } from './blob-upload.ts';

/** The largest size, in bytes, at which the smallest file may be the metadata of the others. */
const metadataLimit = 1024 * 1024;

/** Entries of the audit log in one request: the maximum of the server. */
const auditPage = 500;

/** Values as in JSON: dates are text. */
type Plain<Value> = { [Key in keyof Value]: Value[Key] extends Date | undefined ? string : Value[Key] };
type PlainProduct = Omit<ProductWithVersions, 'versions'> & { versions: Plain<Version>[] };

/** Works on a server through its HTTP API. */
export class RemoteBackend implements Backend {
  readonly #client: ApiClient;

  private constructor(client: ApiClient) {
    this.#client = client;
  }

  static async open(target: ApiTarget): Promise<RemoteBackend> {
    return new RemoteBackend(await ApiClient.open(target));
  }

  /** Uploads the blobs that the server lacks, then publishes the version: the server detects the types of the files. */
  async publish(request: PublishRequest, progress: Progress): Promise<Published> {
    checkRequest(request);
    const { files, ...details } = request;
    const hashed = [];
    for (const file of files.filter(isLocal)) hashed.push({ ...file, ...(await hashFile(file, progress)) });
    // The metadata comes first: the fingerprints of the others begin with its bytes.
    hashed.sort((left, right) => left.size - right.size);
    const [smallest] = hashed;
    const metadata: Digest | undefined =
      smallest !== undefined && smallest.size <= metadataLimit ? smallest.digest : undefined;
    for (const file of hashed) {
      const isRoot = metadata !== undefined && file !== smallest;
      await uploadBlob(this.#client, file, { progress, ...(isRoot ? { metadata } : {}) });
    }
    const body = {
      ...details,
      files: hashed.map(({ name, digest, expectedFingerprint: fingerprint }) => ({
        name,
        digest: `sha256:${digest}`,
        ...defined({ fingerprint }),
      })),
    };
    return await this.#client.json<Published>({ method: 'POST', path: 'versions', body });
  }

  async *products(): AsyncGenerator<ProductWithVersions> {
    let after: string | undefined;
    do {
      const page: { products: PlainProduct[]; next?: string } = await this.#client.json({
        method: 'GET',
        path: 'products',
        ...(after === undefined ? {} : { query: { after } }),
      });
      for (const product of page.products) yield toProduct(product);
      after = page.next;
    } while (after !== undefined);
  }

  async productsByAlias(alias: string): Promise<ProductWithVersions[]> {
    const { products } = await this.#client.json<{ products: PlainProduct[] }>({
      method: 'GET',
      path: 'products',
      query: { alias },
    });
    return products.map(toProduct);
  }

  async productsNamed(name: string): Promise<ProductWithVersions[]> {
    const { products } = await this.#client.json<{ products: PlainProduct[] }>({
      method: 'GET',
      path: 'products',
      query: { name },
    });
    return products.map(toProduct).filter(({ versions }) => versions.length > 0);
  }

  async imagesByFingerprint(prefix: string): Promise<FoundImage[]> {
    const path = `images/${encodeURIComponent(prefix)}`;
    const { images } = await this.#client.json<{ images: FoundImage[] }>({ method: 'GET', path });
    return images;
  }

  async remove({ stream, name }: ProductRef, serial: string): Promise<void> {
    const path = `products/${encodeURIComponent(name)}/versions/${encodeURIComponent(serial)}`;
    await this.#client.json({ method: 'DELETE', path, query: { stream } });
  }

  async aliases(): Promise<Alias[]> {
    return (await this.#client.json<{ aliases: Alias[] }>({ method: 'GET', path: 'aliases' })).aliases;
  }

  async setAlias(name: string, { os, release, variant, stream }: FamilyReference): Promise<void> {
    const path = `aliases/${encodeURIComponent(name)}`;
    await this.#client.json({ method: 'PUT', path, body: { os, release, variant, ...defined({ stream }) } });
  }

  async unsetAlias(name: string, stream: string | undefined): Promise<void> {
    const path = `aliases/${encodeURIComponent(name)}`;
    await this.#client.json({
      method: 'DELETE',
      path,
      ...(stream === undefined ? {} : { query: { stream } }),
    });
  }

  async tokens({ all }: { all: boolean }): Promise<Token[]> {
    const { tokens } = await this.#client.json<{ tokens: Plain<Token>[] }>({
      method: 'GET',
      path: 'tokens',
      ...(all ? { query: { all: 'true' } } : {}),
    });
    return tokens.map(toToken);
  }

  async createToken(request: TokenRequest): Promise<CreatedToken> {
    const { token, secret } = await this.#client.json<{ token: Plain<Token>; secret: string }>({
      method: 'POST',
      path: 'tokens',
      body: request,
    });
    return { token: toToken(token), secret, warnings: [] };
  }

  async revokeToken(idOrName: string): Promise<void> {
    await this.#client.json({ method: 'DELETE', path: `tokens/${encodeURIComponent(idOrName)}` });
  }

  async clients(): Promise<Client[]> {
    const { clients } = await this.#client.json<{ clients: Plain<Client>[] }>({
      method: 'GET',
      path: 'clients',
    });
    return clients.map(toClient);
  }

  async revokeClient(reference: string): Promise<void> {
    await this.#client.json({ method: 'DELETE', path: `clients/${encodeURIComponent(reference)}` });
  }

  async audit({ since, who, limit }: AuditRequest): Promise<AuditEntry[]> {
    const entries: AuditEntry[] = [];
    let before: number | undefined;
    do {
      const page: { entries: Plain<AuditEntry>[]; next?: number } = await this.#client.json({
        method: 'GET',
        path: 'audit',
        query: {
          limit: String(Math.min(limit - entries.length, auditPage)),
          ...defined({ since: since?.toISOString(), who }),
          ...(before === undefined ? {} : { before: String(before) }),
        },
      });
      entries.push(...page.entries.map((entry) => ({ ...entry, at: new Date(entry.at) })));
      before = page.next;
    } while (before !== undefined && entries.length < limit);
    return entries;
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}

function isLocal(file: SourceFile): file is Extract<SourceFile, { from: 'disk' }> {
  return file.from === 'disk';
}

function toProduct(product: PlainProduct): ProductWithVersions {
  const versions = product.versions.map((version) => ({
    ...version,
    publishedAt: new Date(version.publishedAt),
  }));
  return { ...product, versions };
}

function toClient({ createdAt, lastUsedAt, revokedAt, ...rest }: Plain<Client>): Client {
  return {
    ...rest,
    createdAt: new Date(createdAt),
    ...(lastUsedAt === undefined ? {} : { lastUsedAt: new Date(lastUsedAt) }),
    ...(revokedAt === undefined ? {} : { revokedAt: new Date(revokedAt) }),
  };
}

function toToken({ createdAt, expiresAt, lastUsedAt, revokedAt, ...rest }: Plain<Token>): Token {
  return {
    ...rest,
    createdAt: new Date(createdAt),
    ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt) }),
    ...(lastUsedAt === undefined ? {} : { lastUsedAt: new Date(lastUsedAt) }),
    ...(revokedAt === undefined ? {} : { revokedAt: new Date(revokedAt) }),
  };
}
