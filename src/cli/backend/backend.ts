import type { ToldProvenance } from '../../access/told-provenance.ts';
import type { AuditEntry } from '../../catalog/audit.ts';
import type { Client } from '../../catalog/identities/clients.ts';
import type { Token } from '../../catalog/identities/tokens.ts';
import type { Alias, FamilyReference } from '../../catalog/products/aliases.ts';
import type { ProductRef } from '../../model/names.ts';
import type { RightsRequest } from '../../model/rights.ts';
import type { ProductWithVersions } from '../../model/versions.ts';
import type { Progress, Published, PublishRequest } from '../../publish/request.ts';

/** A token to be created: its kind and rights. */
export interface TokenRequest extends RightsRequest {
  name: string;
  purpose: 'api' | 'join';
  /** Whether it may name streams that do not exist yet. */
  createStream?: boolean;
  expiresAt?: Date;
}

export interface CreatedToken {
  token: Token;
  secret: string;
  /** Problems that may keep clients from using it. */
  warnings: string[];
}

/** Where an image is. */
export interface FoundImage {
  stream: string;
  product: string;
  serial: string;
  fingerprint: string;
}

/** A query of the audit log. */
export interface AuditRequest {
  since?: Date;
  who?: string;
  limit: number;
}

/**
 * The target of commands: a data directory (`local-backend.ts`) or a server (`remote-backend.ts`).
 * Errors are HeadwaterErrors.
 */
export interface Backend {
  publish(request: PublishRequest, progress: Progress): Promise<Published>;

  /** Products in the order of their names, with their versions, oldest first. */
  products(): AsyncIterable<ProductWithVersions>;

  /** The products of an alias, in each stream that has it, one for each architecture; none if the alias does not exist. */
  productsByAlias(alias: string): Promise<ProductWithVersions[]>;

  /** The products of a name, one of each stream that has it. */
  productsNamed(name: string): Promise<ProductWithVersions[]>;

  /** The images whose fingerprint begins with these digits; no more than a hundred. */
  imagesByFingerprint(prefix: string): Promise<FoundImage[]>;

  /** The origins of the versions of a product, by their serials. */
  provenance(product: ProductRef): Promise<Map<string, ToldProvenance>>;

  /**
   * Removes a version from the documents.
   * @param options.withdraw why it must not come back
   */
  remove(product: ProductRef, serial: string, options?: { withdraw?: string }): Promise<void>;

  aliases(): Promise<Alias[]>;
  setAlias(name: string, family: FamilyReference): Promise<void>;
  unsetAlias(name: string, stream: string | undefined): Promise<void>;

  /** @param options.all also those that ended more than 30 days ago */
  tokens(options: { all: boolean }): Promise<Token[]>;
  /** @returns the token with its secret, which is not stored. The secret of a join token is the argument of `remote add`. */
  createToken(request: TokenRequest): Promise<CreatedToken>;
  revokeToken(idOrName: string): Promise<void>;

  clients(): Promise<Client[]>;
  revokeClient(reference: string): Promise<void>;

  /** The newest entries of the audit log, the newest first. */
  audit(request: AuditRequest): Promise<AuditEntry[]>;

  close(): Promise<void>;
}
