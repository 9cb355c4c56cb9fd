import { randomBytes } from 'node:crypto';
import type { Access, Known } from '../../access/access.ts';
import { HeadwaterError } from '../../errors.ts';
import { type Operation, reasonOf } from '../operations/operation.ts';
import type { Operations } from '../operations/operations.ts';
import type { ImageRequest } from './receiver.ts';

/** How long an announced upload may take, from its announcement to its end, in milliseconds. */
const lifetime = 24 * 3_600_000;
/** How long the operation waits for the client to end it, after the upload, in milliseconds. */
const usedLifetime = 60_000;

/** An upload that a client announced; an unknown daemon will send it. */
export interface Ticket {
  identity: Known;
  said: ImageRequest;
  operation: Operation;
}

/** Uploads that were announced with `mode: push`. Each secret is valid for one upload. */
export class PushTickets {
  readonly #tickets = new Map<string, Ticket>();
  readonly #access: Access;
  readonly #operations: Operations;

  constructor({ access, operations }: { access: Access; operations: Operations }) {
    this.#access = access;
    this.#operations = operations;
  }

  /** Announces an upload. @returns the operation; the daemon sends its `metadata.secret` */
  issue(identity: Known, said: ImageRequest): Operation {
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

  /**
   * Receives an announced upload, with the present rights of its client. A failure also fails the operation.
   * @throws HeadwaterError `forbidden` for a secret that is unknown, used or expired, and when its client was revoked;
   * errors of `receive`
   */
  async redeem<Result>(secret: string, receive: (ticket: Ticket) => Promise<Result>): Promise<Result> {
    const ticket = this.#tickets.get(secret);
    if (ticket === undefined) {
      throw new HeadwaterError(
        'forbidden',
        'the upload was not announced, or its token was used or has expired',
      );
    }
    this.#tickets.delete(secret);
    const { operation } = ticket;
    try {
      const identity = await this.#access.renew(ticket.identity);
      const result = await receive({ ...ticket, identity });
      // Clients end the operation themselves; otherwise it ends after a while.
      setTimeout(() => operation.succeed({}), usedLifetime).unref();
      return result;
    } catch (error) {
      operation.fail(reasonOf(error, operation.id));
      throw error;
    }
  }
}
