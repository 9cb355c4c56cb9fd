import type { AuditEntry } from '../../catalog/audit.ts';
import type { Client } from '../../catalog/identities/clients.ts';
import type { Token } from '../../catalog/identities/tokens.ts';
import type { Alias, Family } from '../../catalog/products/aliases.ts';
import type { RightsRequest } from '../../model/rights.ts';
import type { ProductWithVersions } from '../../model/versions.ts';
import type { FieldNaming, Progress, Published, PublishRequest } from '../../publish/request.ts';

/** What a token shall be, and allow. */
export interface TokenRequest extends RightsRequest {
  name: string;
  purpose: 'api' | 'join';
  /** Whether it may name a stream that does not exist. */
  createStream?: boolean;
  expiresAt?: Date;
}

export interface CreatedToken {
  token: Token;
  secret: string;
  /** What may keep clients from using it. */
  warnings: string[];
}

/** Which entries of the audit log are wanted. */
export interface AuditRequest {
  since?: Date;
  who?: string;
  limit: number;
}

/**
 * What commands act on: a data directory (`local-backend.ts`) or a server (`remote-backend.ts`).
 * Errors are HeadwaterErrors.
 */
export interface Backend {
  /** @param called what messages call a field of the request, as far as they arise here; its own name when left out */
  publish(request: PublishRequest, progress: Progress, called?: FieldNaming): Promise<Published>;

  /** Products in the order of their names, with their versions, oldest first. */
  products(): AsyncIterable<ProductWithVersions>;

  /** The products that an alias leads to, one for each architecture; none when there is no such alias. */
  productsByAlias(alias: string): Promise<ProductWithVersions[]>;

  product(name: string): Promise<ProductWithVersions | undefined>;

  /** The images whose fingerprint begins with these digits; no more than a hundred. */
  imagesByFingerprint(prefix: string): Promise<{ product: string; serial: string; fingerprint: string }[]>;

  /** Takes a version out of the documents. */
  remove(product: string, serial: string): Promise<void>;

  aliases(): Promise<Alias[]>;
  setAlias(name: string, family: Family): Promise<void>;
  unsetAlias(name: string): Promise<void>;

  /** @param options.all also those that ended more than 30 days ago */
  tokens(options: { all: boolean }): Promise<Token[]>;
  /** @returns the token, with the secret that is never shown again; to join, the secret is what `remote add` takes */
  createToken(request: TokenRequest): Promise<CreatedToken>;
  revokeToken(idOrName: string): Promise<void>;

  clients(): Promise<Client[]>;
  revokeClient(reference: string): Promise<void>;

  /** The newest entries of the audit log, the newest first. */
  audit(request: AuditRequest): Promise<AuditEntry[]>;

  close(): Promise<void>;
}
