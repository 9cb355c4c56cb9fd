import { createHmac, timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import type { Access, Identity, IdentityReference } from '../access/access.ts';
import type { Secrets } from '../catalog/secrets.ts';
import { HeadwaterError } from '../errors.ts';

/** How long a bearer token works, in seconds: clients fetch one for each operation, and another when it ends. */
export const bearerLifetime = 300;

/** Begins every bearer token, so that it is told from the secret of a Headwater token. */
const prefix = 'hwb_';

/** What a client may do in a repository: `pull`, `push`. */
export interface Scope {
  repository: string;
  actions: string[];
}

const claims = z.strictObject({
  /** Undefined for an anonymous client. */
  who: z
    .union([
      z.strictObject({ kind: z.literal('token'), id: z.string() }),
      z.strictObject({ kind: z.literal('client'), fingerprint: z.string() }),
    ])
    .optional(),
  scopes: z.array(z.strictObject({ repository: z.string(), actions: z.array(z.string()) })),
  /** Seconds since 1970. */
  expires: z.number(),
});

/** The holder of a valid bearer token. */
export interface Bearer {
  /** With its present rights. */
  identity: Identity;
  scopes: readonly Scope[];
}

/**
 * Issues and checks the bearer tokens of the OCI surface (https://distribution.github.io/distribution/spec/auth/token/).
 * A token is signed, not stored. It names its holder, whose rights are looked up for each request, so that a revocation
 * takes effect at once.
 */
export class BearerTokens {
  readonly #secrets: Secrets;
  readonly #access: Pick<Access, 'inForce'>;

  constructor(services: { secrets: Secrets; access: Pick<Access, 'inForce'> }) {
    this.#secrets = services.secrets;
    this.#access = services.access;
  }

  async issue(identity: Identity, scopes: Scope[], now = new Date()): Promise<string> {
    const expires = Math.floor(now.getTime() / 1000) + bearerLifetime;
    const who = identity === undefined ? {} : { who: referenceOf(identity) };
    const body = Buffer.from(JSON.stringify({ ...who, scopes, expires })).toString('base64url');
    return `${prefix}${body}.${(await this.#sign(body)).toString('base64url')}`;
  }

  /** Whether a text has the form of a bearer token. */
  static isToken(text: string): boolean {
    return text.startsWith(prefix);
  }

  /** @throws HeadwaterError `unauthorized` for a token that is not valid any more, or whose holder is not */
  async check(token: string, now = new Date()): Promise<Bearer> {
    const [body = '', signature = ''] = token.slice(prefix.length).split('.');
    const given = Buffer.from(signature, 'base64url');
    const right = await this.#sign(body);
    if (given.length !== right.length || !timingSafeEqual(given, right)) throw invalid();
    const { who, scopes, expires } = claims.parse(JSON.parse(Buffer.from(body, 'base64url').toString()));
    if (expires * 1000 <= now.getTime()) throw invalid();
    if (who === undefined) return { identity: undefined, scopes };
    const identity = await this.#access.inForce(who);
    if (identity === undefined) throw invalid();
    return { identity, scopes };
  }

  async #sign(body: string): Promise<Buffer> {
    return createHmac('sha256', await this.#secrets.of('bearer-tokens'))
      .update(body)
      .digest();
  }
}

function referenceOf(identity: NonNullable<Identity>): IdentityReference {
  return identity.kind === 'token'
    ? { kind: 'token', id: identity.id }
    : { kind: 'client', fingerprint: identity.fingerprint };
}

function invalid(): HeadwaterError {
  return new HeadwaterError('unauthorized', 'the bearer token is not valid: it has expired, or was revoked');
}

/**
 * Reads a scope as clients ask for it: `repository:NAME:pull,push`, several with spaces between them.
 * @returns the scopes of repositories; others are left out
 */
export function parseScopes(text: string): Scope[] {
  return text.split(' ').flatMap((part) => {
    const [, repository, actions] = /^repository:([^:]+):([a-z,*]+)$/.exec(part) ?? [];
    return repository === undefined || actions === undefined
      ? []
      : [{ repository, actions: actions.split(',') }];
  });
}
