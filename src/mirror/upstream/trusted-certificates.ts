import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';

/** Where systems keep the certificates that their programs trust: Debian and Alpine, Fedora, SUSE. */
const bundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
];

/**
 * The certificates, in PEM, that upstreams may be trusted by: those that Node.js knows, those of the system and of
 * NODE_EXTRA_CA_CERTS, where a site has its own, and more.
 */
export function trustedCertificates(more: string | undefined): string[] {
  const files = [...bundles, process.env['NODE_EXTRA_CA_CERTS']];
  return [...rootCertificates, ...files.flatMap(readIfAny), ...(more === undefined ? [] : [more])];
}

/** Nothing of a file that is not there or may not be read, as with every other program. */
function readIfAny(file: string | undefined): string[] {
  if (file === undefined) return [];
  try {
    return [readFileSync(file, 'utf8')];
  } catch {
    return [];
  }
}
