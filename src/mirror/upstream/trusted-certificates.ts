import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';

/** Certificate bundles of systems: Debian and Alpine, Fedora, SUSE. */
const bundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
];

/**
 * The trusted certificates, in PEM: those of Node.js, of the system and of NODE_EXTRA_CA_CERTS, and `more`.
 */
export function trustedCertificates(more: string | undefined): string[] {
  const files = [...bundles, process.env['NODE_EXTRA_CA_CERTS']];
  return [...rootCertificates, ...files.flatMap(readIfAny), ...(more === undefined ? [] : [more])];
}

/** A missing or unreadable file is ignored, as by other programs. */
function readIfAny(file: string | undefined): string[] {
  if (file === undefined) return [];
  try {
    return [readFileSync(file, 'utf8')];
  } catch {
    return [];
  }
}
