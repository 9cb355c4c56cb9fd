import { randomBytes } from 'node:crypto';
import { HeadwaterError } from '../../errors.ts';
import type { Known } from '../access.ts';
import type { Operation } from './operation.ts';
import type { Operations } from './operations.ts';
import type { Said } from './receiver.ts';

/** How long an announced upload is waited for, and may take, in milliseconds. */
const lifetime = 24 * 3_600_000;
/** How long its operation stays for the client to end, once the upload is here. */
const usedLifetime = 60_000;

/** An upload that a client announced: a daemon that we do not know will send it. */
interface Ticket {
  identity: Known;
  said: Said;
  operation: Operation;
}

/** Uploads that were announced with `mode: push`. Each secret is good for one upload. */
export class PushTickets {
  readonly #tickets = new Map<string, Ticket>();
  readonly #operations: Operations;

  constructor(operations: Operations) {
    this.#operations = operations;
  }

  /** Announces an upload. @returns the operation, whose `metadata.secret` the daemon sends along */
  issue(identity: Known, said: Said): Operation {
    const secret = randomBytes(32).toString('base64url');
    const operation = this.#operations.token({
      description: 'Image upload token',
      identity,
      metadata: { secret },
      lifetime,
      onEnd: () => this.#tickets.delete(secret),
    });
    this.#tickets.set(secret, { identity, said, operation });
    return operation;
  }

  /** @throws HeadwaterError `forbidden` for a secret that is unknown, used or expired */
  redeem(secret: string): Ticket {
    const ticket = this.#tickets.get(secret);
    if (ticket === undefined) {
      throw new HeadwaterError(
        'forbidden',
        'the upload was not announced, or its token was used or has expired',
      );
    }
    this.#tickets.delete(secret);
    return ticket;
  }

  /** Notes that the upload is over. Clients end the operation themselves; it ends by itself when they do not. */
  finish({ operation }: Ticket): void {
    setTimeout(() => operation.succeed({}), usedLifetime).unref();
  }
}
