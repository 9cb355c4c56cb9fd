import type { Actor } from '../catalog/database/audit-record.ts';
import type { Client, Clients } from '../catalog/identities/clients.ts';
import type { Token, Tokens } from '../catalog/identities/tokens.ts';
import { HeadwaterError } from '../errors.ts';
import { type Action, allows, type BlobUse, grants, type Permit, type Target } from '../model/rights.ts';
import { readable } from './readable.ts';

/** An authenticated identity: a token, or a client with a trusted TLS certificate. */
export type Known = ({ kind: 'token' } & Token) | ({ kind: 'client' } & Client);

/** The part of an identity that never changes. */
export type IdentityReference = { kind: 'token'; id: string } | { kind: 'client'; fingerprint: string };

/** The sender of a request: a token, a client, or (undefined) an anonymous sender. */
export type Identity = Known | undefined;

/** Authenticates requests, and decides what identities may do. */
export class Access {
  readonly #tokens: Tokens;
  readonly #clients: Clients;
  readonly #isPublic: (stream: string) => boolean;

  constructor(known: { tokens: Tokens; clients: Clients }, isPublic: (stream: string) => boolean) {
    this.#tokens = known.tokens;
    this.#clients = known.clients;
    this.#isPublic = isPublic;
  }

  /**
   * Finds the token with this secret.
   * @throws HeadwaterError `unauthorized` when no token has it, or the token is no longer active
   */
  async ofToken(secret: string | undefined): Promise<Known> {
    const token = secret === undefined ? undefined : await this.#tokens.authenticate(secret);
    if (token === undefined) {
      throw new HeadwaterError('unauthorized', 'the token is not valid: it is unknown, expired or revoked');
    }
    return { kind: 'token', ...token };
  }

  /** The client whose trusted certificate has this fingerprint; undefined (anonymous) without one. */
  async ofCertificate(fingerprint: string | undefined): Promise<Identity> {
    if (fingerprint === undefined) return undefined;
    const client = await this.#clients.authenticate(fingerprint);
    return client === undefined ? undefined : { kind: 'client', ...client };
  }

  isPublic(stream: string): boolean {
    return this.#isPublic(stream);
  }

  /** Whether an identity may read an object of the documents: its stream is public, or the identity has the right. */
  mayRead(identity: Identity, target: Target): boolean {
    return this.#isPublic(target.stream) || this.may(identity, 'read', target);
  }

  /** Whether an identity may learn who pushed an image: administrators and the pusher may. */
  mayKnowPusher(identity: Identity, pushedBy: string): boolean {
    return identity !== undefined && (isAdministrator(identity) || keyOf(identity) === pushedBy);
  }

  /** Whether an identity has the right to an action, apart from what is public. */
  may(identity: Identity, action: Action, target: Target): boolean {
    return identity !== undefined && allows({ ...identity, key: keyOf(identity) }, action, target);
  }

  /**
   * Like {@link demand}, for an object that has no stream yet: the right in any stream is enough.
   * @throws HeadwaterError `unauthorized`, `forbidden`
   */
  demandAny(identity: Identity, action: Action): Known {
    const known = demandKnown(identity, action);
    if (!grants(known, action)) throw refusal(known, `does not allow "${action}"`);
    return known;
  }

  /** @throws HeadwaterError `unauthorized` for an anonymous sender, `forbidden` for an identity without the right */
  demand(identity: Identity, action: Action, target: Target): Known {
    const known = this.demandAny(identity, action);
    if (this.may(known, action, target)) return known;
    const { stream, names = [], shownAs = names.join(', ') } = target;
    if (!this.may(known, action, { stream })) {
      const mayName = target.isNamedByCaller === true || this.#isPublic(stream);
      throw refusal(known, `does not allow "${action}" ${mayName ? `in the stream ${stream}` : 'there'}`);
    }
    const patterns = known.names?.join(', ') ?? '';
    throw refusal(known, `is for the names ${patterns} only, not for ${shownAs || 'what has no name'}`);
  }

  /**
   * For objects of no stream, such as tokens: an identity that may change tokens could give itself every right.
   * @throws HeadwaterError `unauthorized`, `forbidden`
   */
  demandAdministrator(identity: Identity): Known {
    const known = demandKnown(identity, 'admin');
    if (isAdministrator(known)) return known;
    throw refusal(known, 'does not allow "admin" for all streams and names');
  }

  /**
   * The same identity with its present rights.
   * @throws HeadwaterError `forbidden` when the client or the token is no longer active
   */
  async renew(identity: Known): Promise<Known> {
    const now = await this.inForce(identity);
    if (now === undefined) throw refusal(identity, 'was revoked, or has expired');
    return now;
  }

  /** The identity of a reference with its present rights; undefined if it is no longer active. */
  async inForce(identity: IdentityReference): Promise<Identity> {
    if (identity.kind === 'client') {
      const client = await this.#clients.inForce(identity.fingerprint);
      return client && { kind: 'client', ...client };
    }
    const token = await this.#tokens.inForce(identity.id);
    return token && { kind: 'token', ...token };
  }

  /**
   * The identity as the author of changes in the catalog: with its name, and with its rights at the time of each
   * change.
   * @param from the address of the sender
   */
  actor(identity: Identity, from: string): Actor {
    const demand = async (action: Action, target: Target) => {
      this.demand(identity && (await this.renew(identity)), action, target);
    };
    const may = async (action: Action, target: Target) =>
      this.may(identity && (await this.renew(identity)), action, target);
    const maySee = async (target: Target, isShown: boolean) =>
      (isShown && this.#isPublic(target.stream)) || (await may('read', target));
    const mayUse = async (blob: BlobUse) =>
      await this.#mayUse(identity && (await this.renew(identity)), blob);
    const permit: Permit = {
      may,
      demand,
      maySee,
      mayUse,
      ...(identity === undefined ? {} : { uploader: keyOf(identity) }),
    };
    return { who: identity === undefined ? 'anonymous' : keyOf(identity), from, permit };
  }

  async #mayUse(identity: Identity, { digest, uploaders, products }: BlobUse): Promise<boolean> {
    if (identity === undefined) return false;
    if (isAdministrator(identity) || uploaders.has(keyOf(identity))) return true;
    return (await products()).some((product) =>
      readable(this, identity, product)?.versions.some(({ items }) =>
        items.some((item) => item.digest === digest),
      ),
    );
  }
}

/** The unique name of an identity, which people read, too: in the audit log, and for quotas. */
export function keyOf({ kind, name }: Known): string {
  return `${kind}:${name}`;
}

function demandKnown(identity: Identity, action: Action): Known {
  if (identity !== undefined) return identity;
  throw new HeadwaterError(
    'unauthorized',
    `a token that allows "${action}" is needed: make one with "headwater token create"`,
  );
}

function refusal({ kind, name }: Known, reason: string): HeadwaterError {
  return new HeadwaterError('forbidden', `the ${kind} ${name} ${reason}`);
}

/** Whether an identity may do everything, in all streams. */
export function isAdministrator(identity: Identity): boolean {
  return (
    identity?.actions.includes('admin') === true &&
    identity.streams === undefined &&
    identity.names === undefined
  );
}
