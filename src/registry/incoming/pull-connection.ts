import { X509Certificate } from 'node:crypto';
import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { Agent, buildConnector } from 'undici';
import { HeadwaterError, messageOf } from '../../errors.ts';
import type { PullPolicy } from './pull-policy.ts';

/** How long a connection may take, in milliseconds: clients try the next address of their server afterwards. */
const connectTimeout = 10_000;
/** A daemon may pack an image first, in milliseconds. */
const answerTimeout = 10 * 60_000;

type LookupCallback = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

/**
 * Connections to the server of somebody's, over TLS. Names are looked up once, and what they mean is checked before it
 * is connected to.
 * @param options.certificate PEM of the certificate that the server must show, whatever name is in it; without one, it
 * must have one that the system trusts
 * @throws HeadwaterError `invalid` for an address or a certificate that is none
 */
export function pullAgent(server: URL, options: { certificate: string; policy: PullPolicy }): Agent {
  const { policy } = options;
  const port = Number(server.port || 443);
  const pinned = options.certificate === '' ? undefined : parseCertificate(options.certificate);
  const connect = buildConnector({
    rejectUnauthorized: pinned === undefined,
    timeout: connectTimeout,
    // A session that is taken up again shows no certificate.
    maxCachedSessions: 0,
    lookup: (host: string, lookupOptions: LookupOptions, callback: LookupCallback) =>
      lookup(host, { ...lookupOptions, all: true }, (error, addresses) => {
        if (error !== null) return callback(error, []);
        try {
          for (const { address } of addresses) policy.assertAllowed(address, port);
        } catch (refusal) {
          return callback(refusal as Error, []);
        }
        const [first] = addresses;
        if (lookupOptions.all === true) callback(null, addresses);
        else callback(null, first?.address ?? '', first?.family);
      }),
  });
  return new Agent({
    headersTimeout: answerTimeout,
    bodyTimeout: answerTimeout,
    connect: (target, callback) => {
      const host = target.hostname.replace(/^\[|\]$/g, '');
      const connected: typeof callback = (...outcome) => {
        const [error, socket] = outcome;
        const shown = (socket as TLSSocket | null)?.getPeerX509Certificate();
        if (error !== null || pinned === undefined || (shown !== undefined && pinned.raw.equals(shown.raw))) {
          callback(...outcome);
          return;
        }
        socket?.destroy();
        const other = 'it shows another certificate than the client said';
        callback(new HeadwaterError('unavailable', other), null);
      };
      // An address is not looked up.
      const check = () => (isIP(host) === 0 ? undefined : policy.assertAllowed(host, port));
      const go = () => connect(target, connected);
      void policy
        .refresh()
        .then(check)
        .then(go, (refusal: Error) => callback(refusal, null));
    },
  });
}

function parseCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new HeadwaterError('invalid', `source.certificate: is no certificate: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
