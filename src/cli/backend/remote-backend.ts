import type { ToldProvenance } from '../../access/told-provenance.ts';
import type { AuditEntry } from '../../catalog/audit.ts';
import type { Client } from '../../catalog/identities/clients.ts';
import type { Token } from '../../catalog/identities/tokens.ts';
import type { Alias, FamilyReference } from '../../catalog/products/aliases.ts';
import {
  auditAnswer,
  clientsAnswer,
  newTokenAnswer,
  tokensAnswer,
} from '../../http/api/openapi/admin-answers.ts';
import type { Json } from '../../http/api/openapi/answer-fields.ts';
import {
  aliasesAnswer,
  imagesAnswer,
  productAnswer,
  productsAnswer,
  publishedAnswer,
} from '../../http/api/openapi/image-answers.ts';
import type { AnswerOf } from '../../http/api/openapi/read-answer.ts';
import { defined } from '../../model/defined.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import type { ProductRef } from '../../model/names.ts';
import type { ProductWithVersions } from '../../model/versions.ts';
import { checkRequest } from '../../publish/checked-request.ts';
import type { Progress, Published, PublishRequest, SourceFile } from '../../publish/request.ts';
import { ApiClient, type ApiTarget } from './api-client.ts';
import type { AuditRequest, Backend, CreatedToken, FoundImage, TokenRequest } from './backend.ts';
import { hashFile, uploadBlob } from './blob-upload.ts';

/** The largest size, in bytes, at which the smallest file may be the metadata of the others. */
const metadataLimit = 1024 * 1024;

/** Entries of the audit log in one request: the maximum of the server. */
const auditPage = 500;

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
    return await this.#client.json({ method: 'POST', path: 'versions', body }, publishedAnswer);
  }

  async *products(): AsyncGenerator<ProductWithVersions> {
    let after: string | undefined;
    do {
      const query = defined({ after });
      const page: AnswerOf<typeof productsAnswer> = await this.#client.json(
        { method: 'GET', path: 'products', query },
        productsAnswer,
      );
      for (const product of page.products) yield toProduct(product);
      after = page.next;
    } while (after !== undefined);
  }

  async productsByAlias(alias: string): Promise<ProductWithVersions[]> {
    const request = { method: 'GET', path: 'products', query: { alias } } as const;
    const { products } = await this.#client.json(request, productsAnswer);
    return products.map(toProduct);
  }

  async productsNamed(name: string): Promise<ProductWithVersions[]> {
    const request = { method: 'GET', path: 'products', query: { name } } as const;
    const { products } = await this.#client.json(request, productsAnswer);
    return products.map(toProduct).filter(({ versions }) => versions.length > 0);
  }

  async imagesByFingerprint(prefix: string): Promise<FoundImage[]> {
    const path = `images/${encodeURIComponent(prefix)}`;
    return (await this.#client.json({ method: 'GET', path }, imagesAnswer)).images;
  }

  async provenance({ stream, name }: ProductRef): Promise<Map<string, ToldProvenance>> {
    const path = `products/${encodeURIComponent(name)}`;
    const query = { stream, provenance: '1' };
    const { versions } = await this.#client.json({ method: 'GET', path, query }, productAnswer);
    return new Map(
      versions.flatMap(({ serial, provenance }) => (provenance === undefined ? [] : [[serial, provenance]])),
    );
  }

  async remove(
    { stream, name }: ProductRef,
    serial: string,
    options: { withdraw?: string } = {},
  ): Promise<void> {
    const path = `products/${encodeURIComponent(name)}/versions/${encodeURIComponent(serial)}`;
    await this.#client.succeed({ method: 'DELETE', path, query: { stream, ...options } });
  }

  async aliases(): Promise<Alias[]> {
    return (await this.#client.json({ method: 'GET', path: 'aliases' }, aliasesAnswer)).aliases;
  }

  async setAlias(name: string, { os, release, variant, stream }: FamilyReference): Promise<void> {
    const path = `aliases/${encodeURIComponent(name)}`;
    await this.#client.succeed({
      method: 'PUT',
      path,
      body: { os, release, variant, ...defined({ stream }) },
    });
  }

  async unsetAlias(name: string, stream: string | undefined): Promise<void> {
    const path = `aliases/${encodeURIComponent(name)}`;
    await this.#client.succeed({
      method: 'DELETE',
      path,
      ...(stream === undefined ? {} : { query: { stream } }),
    });
  }

  async tokens({ all }: { all: boolean }): Promise<Token[]> {
    const query = all ? { all: 'true' } : {};
    const { tokens } = await this.#client.json({ method: 'GET', path: 'tokens', query }, tokensAnswer);
    return tokens.map(toToken);
  }

  async createToken(request: TokenRequest): Promise<CreatedToken> {
    const { token, secret } = await this.#client.json(
      { method: 'POST', path: 'tokens', body: request },
      newTokenAnswer,
    );
    return { token: toToken(token), secret, warnings: [] };
  }

  async revokeToken(idOrName: string): Promise<void> {
    await this.#client.succeed({ method: 'DELETE', path: `tokens/${encodeURIComponent(idOrName)}` });
  }

  async clients(): Promise<Client[]> {
    const { clients } = await this.#client.json({ method: 'GET', path: 'clients' }, clientsAnswer);
    return clients.map(toClient);
  }

  async revokeClient(reference: string): Promise<void> {
    await this.#client.succeed({ method: 'DELETE', path: `clients/${encodeURIComponent(reference)}` });
  }

  async audit({ since, who, limit }: AuditRequest): Promise<AuditEntry[]> {
    const entries: AuditEntry[] = [];
    let before: number | undefined;
    do {
      const query = {
        limit: String(Math.min(limit - entries.length, auditPage)),
        ...defined({ since: since?.toISOString(), who, before: before?.toString() }),
      };
      const page: AnswerOf<typeof auditAnswer> = await this.#client.json(
        { method: 'GET', path: 'audit', query },
        auditAnswer,
      );
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

function toProduct(product: AnswerOf<typeof productAnswer>): ProductWithVersions {
  const versions = product.versions.map((version) => ({
    ...version,
    publishedAt: new Date(version.publishedAt),
    items: version.items.map((item) => ({ ...item, digest: parseDigest(item.digest) })),
  }));
  return { ...product, versions };
}

function toClient({ createdAt, lastUsedAt, revokedAt, ...rest }: Json<Client>): Client {
  return {
    ...rest,
    createdAt: new Date(createdAt),
    ...defined({ lastUsedAt: date(lastUsedAt), revokedAt: date(revokedAt) }),
  };
}

function toToken({ createdAt, expiresAt, lastUsedAt, revokedAt, ...rest }: Json<Token>): Token {
  return {
    ...rest,
    createdAt: new Date(createdAt),
    ...defined({ expiresAt: date(expiresAt), lastUsedAt: date(lastUsedAt), revokedAt: date(revokedAt) }),
  };
}

function date(text: string | undefined): Date | undefined {
  return text === undefined ? undefined : new Date(text);
}
