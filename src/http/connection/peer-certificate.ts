import { hash } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** The certificate that a client presented when it connected. */
export interface PeerCertificate {
  /** SHA-256 of its DER form, in hexadecimal: what LXD and Incus call its fingerprint. */
  fingerprint: string;
  pem: string;
}

/** A connection has one certificate for all its requests. */
const known = new WeakMap<Socket, PeerCertificate | 'none'>();

/** The certificate of the client, which has proved that it has the key; no authority vouches for it. */
export function peerCertificate(socket: Socket): PeerCertificate | undefined {
  const certificate = known.get(socket) ?? read(socket);
  known.set(socket, certificate);
  return certificate === 'none' ? undefined : certificate;
}

function read(socket: Socket): PeerCertificate | 'none' {
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  if (certificate === undefined) return 'none';
  return {
    fingerprint: hash('sha256', certificate.raw),
    pem: certificate.toString(),
  };
}
