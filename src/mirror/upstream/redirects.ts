import { HeadwaterError } from '../../errors.ts';
import type { GuardedConnect } from './guarded-connect.ts';

/** Where a redirect goes, and whether it may be to an address of a private network. */
export interface Redirect {
  url: URL;
  mayBeInternal: boolean;
}

/** Tells which redirects of an upstream are followed. */
export class Redirects {
  readonly #allowed: readonly URL[];
  readonly #wildcards: readonly URL[];
  readonly #guard: Pick<GuardedConnect, 'isInternal'>;

  /** @param allowed hosts as the definition lists them: `cdn.example.com`, `cdn.example.com:8443`, `*.example.com` */
  constructor(allowed: readonly string[], guard: Pick<GuardedConnect, 'isInternal'>) {
    const parse = (entry: string) => new URL(`https://${entry.replace(/^\*\./, '')}`);
    this.#allowed = allowed.filter((entry) => !entry.startsWith('*.')).map(parse);
    this.#wildcards = allowed.filter((entry) => entry.startsWith('*.')).map(parse);
    this.#guard = guard;
  }

  /**
   * Reads a redirect. It may go to the host that was asked (on the same port, or from http to https) and to hosts that
   * the definition lists (on the ports of their protocols, or on the one that is listed), never from https to http, and
   * to a private network only from an upstream that is on one itself, or when the definition lists the address.
   * @param from.asked below the upstream's address, `from.at` the target of the previous redirect, if any
   * @throws HeadwaterError `invalid`; nothing that the upstream sent is in its message but the name of a host
   */
  follow(location: string | undefined, from: { asked: URL; at: URL }): Redirect {
    const { asked, at } = from;
    if (location === undefined || !URL.canParse(location, at.href)) {
      throw new HeadwaterError('invalid', `${asked.href}: redirects, but not to an address`);
    }
    const url = new URL(location, at);
    const target = `${url.protocol}//${url.host.slice(0, 260)}`;
    const isSafe = url.protocol === 'https:' || (url.protocol === 'http:' && at.protocol === 'http:');
    if (!isSafe) {
      throw new HeadwaterError('invalid', `${asked.href}: redirects to ${target}: ${unsafe(url)}`);
    }
    const isListed = this.#allowed.some((entry) => hostOf(entry) === hostOf(url) && isPort(entry, url));
    const isAllowed =
      isListed || isSameServer(asked, url) || this.#wildcards.some((entry) => isBelow(entry, url));
    if (!isAllowed) {
      throw new HeadwaterError(
        'invalid',
        `${asked.href}: redirects to ${target}: if that is right, add ${url.host.slice(0, 260)} to "redirects" of the upstream`,
      );
    }
    const mayBeInternal = this.#guard.isInternal(asked.hostname) || (isListed && isAddress(url));
    if (!mayBeInternal && this.#guard.isInternal(url.hostname)) {
      throw new HeadwaterError(
        'invalid',
        `${asked.href}: redirects to ${target}, which is on a private network or on this machine: a public upstream may not send Headwater there`,
      );
    }
    return { url, mayBeInternal };
  }
}

function unsafe({ protocol }: URL): string {
  return protocol === 'http:' ? 'not followed from https to http' : 'not followed: neither http nor https';
}

function isSameServer(asked: URL, url: URL): boolean {
  if (hostOf(asked) !== hostOf(url)) return false;
  if (asked.protocol === url.protocol) return asked.port === url.port;
  return url.protocol === 'https:';
}

function isBelow(entry: URL, url: URL): boolean {
  return hostOf(url).endsWith(`.${hostOf(entry)}`) && isPort(entry, url);
}

function isPort(entry: URL, url: URL): boolean {
  return entry.port === url.port;
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/\.$/, '');
}

function isAddress({ hostname }: URL): boolean {
  return hostname.startsWith('[') || /^[\d.]+$/.test(hostname);
}
