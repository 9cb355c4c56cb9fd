import { X509Certificate } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import { Agent, buildConnector } from 'undici';
import { asError, HeadwaterError, messageOf } from '../../errors.ts';
import {
  type CheckAddresses,
  checkAddressHost,
  checkedLookup,
  systemLookup,
} from '../../net/checked-lookup.ts';
import type { PullPolicy } from './pull-policy.ts';

/** The longest time for connecting, in milliseconds: clients then try the next address of their server. */
const connectTimeout = 10_000;
/** The longest wait for a response, in milliseconds: a daemon may have to pack the image first. */
const answerTimeout = 10 * 60_000;

/**
 * Connections over TLS to a server that a client named. All addresses of the server are checked before connecting.
 * @param options.certificate the certificate that the server must present, as PEM, whatever its name; without it, the
 * server must have a certificate that the system trusts
 * @throws HeadwaterError `invalid` for a malformed address or certificate
 */
export function pullAgent(server: URL, options: { certificate: string; policy: PullPolicy }): Agent {
  const { policy } = options;
  const port = Number(server.port || 443);
  const pinned = options.certificate === '' ? undefined : parseCertificate(options.certificate);
  const check: CheckAddresses = (_, addresses) => {
    for (const address of addresses) policy.assertAllowed(address, port);
    return new Set(addresses);
  };
  const connect = buildConnector({
    rejectUnauthorized: pinned === undefined,
    timeout: connectTimeout,
    // A resumed session presents no certificate.
    maxCachedSessions: 0,
    lookup: checkedLookup(systemLookup, check),
  });
  return new Agent({
    headersTimeout: answerTimeout,
    bodyTimeout: answerTimeout,
    connect: (target, callback) => {
      const connected: typeof callback = (...outcome) => {
        const [error, socket] = outcome;
        const shown = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
        if (error !== null || pinned === undefined || (shown !== undefined && pinned.raw.equals(shown.raw))) {
          callback(...outcome);
          return;
        }
        socket?.destroy();
        const other = 'it shows another certificate than the client said';
        callback(new HeadwaterError('unavailable', other), null);
      };
      void policy
        .refresh()
        .then(() => checkAddressHost(target.hostname, check))
        .then(
          () => connect(target, connected),
          (refusal: unknown) => callback(asError(refusal), null),
        );
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
