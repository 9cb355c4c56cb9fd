import type { Actor } from '../catalog/database/audit-record.ts';
import type { Client, Clients } from '../catalog/identities/clients.ts';
import type { Token, Tokens } from '../catalog/identities/tokens.ts';
import { HeadwaterError } from '../errors.ts';
import { type Action, allows, type BlobUse, grants, type Permit, type Target } from '../model/rights.ts';
import { readable } from './readable.ts';

/** Somebody that was let in: by the secret of a token, or by a TLS certificate that is trusted. */
export type Known = ({ kind: 'token' } & Token) | ({ kind: 'client' } & Client);

/** Who a request comes from: a token, a client, or anybody. */
export type Identity = Known | undefined;

/** Who may do what. */
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
   * The token that a secret belongs to.
   * @throws HeadwaterError `unauthorized` when there is none, or it is no longer active
   */
  async ofToken(secret: string | undefined): Promise<Known> {
    const token = secret === undefined ? undefined : await this.#tokens.authenticate(secret);
    if (token === undefined) {
      throw new HeadwaterError('unauthorized', 'the token is not valid: it is unknown, expired or revoked');
    }
    return { kind: 'token', ...token };
  }

  /** The client that a certificate is trusted for, by its fingerprint; without one, anybody. */
  async ofCertificate(fingerprint: string | undefined): Promise<Identity> {
    if (fingerprint === undefined) return undefined;
    const client = await this.#clients.authenticate(fingerprint);
    return client === undefined ? undefined : { kind: 'client', ...client };
  }

  isPublic(stream: string): boolean {
    return this.#isPublic(stream);
  }

  /** Whether somebody may read what is in the documents, or would be if its stream were public. */
  mayRead(identity: Identity, target: Target): boolean {
    return this.#isPublic(target.stream) || this.may(identity, 'read', target);
  }

  /** Whether an identity may learn who pushed an image: administrators and the pusher may. */
  mayKnowPusher(identity: Identity, pushedBy: string): boolean {
    return identity !== undefined && (isAdministrator(identity) || keyOf(identity) === pushedBy);
  }

  /** Whether somebody may do something by a right of their own. */
  may(identity: Identity, action: Action, target: Target): boolean {
    return identity !== undefined && allows({ ...identity, key: keyOf(identity) }, action, target);
  }

  /**
   * Like {@link demand}, for what belongs to no stream yet: allowed for some stream is enough.
   * @throws HeadwaterError `unauthorized`, `forbidden`
   */
  demandAny(identity: Identity, action: Action): Known {
    const known = demandKnown(identity, action);
    if (!grants(known, action)) throw refusal(known, `does not allow "${action}"`);
    return known;
  }

  /**
   * @throws HeadwaterError `unauthorized` for anybody, `forbidden` for somebody who may not
   */
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
   * For what belongs to no stream, such as tokens: whoever may change them could give himself every right.
   * @throws HeadwaterError `unauthorized`, `forbidden`
   */
  demandAdministrator(identity: Identity): Known {
    const known = demandKnown(identity, 'admin');
    if (isAdministrator(known)) return known;
    throw refusal(known, 'does not allow "admin" for all streams and names');
  }

  /**
   * Somebody who was let in before, with the rights of now.
   * @throws HeadwaterError `forbidden` when the client or the token is no longer active
   */
  async renew(identity: Known): Promise<Known> {
    const now = await (identity.kind === 'client'
      ? this.#clients.inForce(identity.fingerprint)
      : this.#tokens.inForce(identity.id));
    if (now === undefined) throw refusal(identity, 'was revoked, or has expired');
    return { kind: identity.kind, ...now } as Known;
  }

  /**
   * An identity as the catalog knows who makes a change: by name, and by its rights when the change is made.
   * @param from the address that it acts from
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

/** What tells somebody from everybody else, for people too: in the audit log, and as whose quota it is. */
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

/** Whether somebody may do everything, everywhere. */
export function isAdministrator(identity: Identity): boolean {
  return (
    identity?.actions.includes('admin') === true &&
    identity.streams === undefined &&
    identity.names === undefined
  );
}
