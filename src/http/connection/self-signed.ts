import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { HeadwaterError, messageOf } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { syncDirectory } from '../../files/file-system.ts';
import { machineAddresses } from '../../net/addresses.ts';
import type { TlsFiles } from './listener.ts';

/** Clients pin a self-signed certificate by hand, so it must not expire soon. */
const validYears = 10;

/** The paths of a certificate and its key. */
export interface CertificatePaths {
  certificate: string;
  key: string;
}

/**
 * The self-signed certificate of a data directory: created once (ECDSA P-256), then kept.
 * @returns its paths
 */
export async function ensureSelfSigned(dataDir: string): Promise<CertificatePaths> {
  const directory = join(dataDir, 'tls');
  const paths = { certificate: join(directory, 'server.crt'), key: join(directory, 'server.key') };
  try {
    await readCertificate(paths);
    return paths;
  } catch (error) {
    if (!(error instanceof HeadwaterError) || error.kind !== 'not-found') throw error;
  }
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await syncDirectory(dataDir);
  // Loading it takes a third of a server's start, and it is needed only once.
  const { generate } = await import('selfsigned');
  const notBeforeDate = new Date();
  const notAfterDate = new Date(notBeforeDate);
  notAfterDate.setFullYear(notAfterDate.getFullYear() + validYears);
  const { cert, private: key } = await generate([{ name: 'commonName', value: hostname() }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate,
    notAfterDate,
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: names() },
    ],
  });
  // A certificate that lost its key would not fit the new one. Whatever survives a power failure, it is no certificate or a
  // whole pair: the key is there for good before its certificate.
  await rm(paths.certificate, { force: true });
  await syncDirectory(directory);
  await writeDurably(paths.key, key, 0o600);
  await syncDirectory(directory);
  await writeDurably(paths.certificate, cert, 0o600);
  await syncDirectory(directory);
  return paths;
}

/**
 * Reads a certificate and its key, and checks that they belong together.
 * @throws HeadwaterError `not-found` or `invalid`, naming the file
 */
export async function readCertificate(
  paths: CertificatePaths,
): Promise<TlsFiles & { x509: X509Certificate }> {
  const certificate = await readText(paths.certificate);
  const key = await readText(paths.key);
  try {
    const x509 = new X509Certificate(certificate);
    if (!x509.checkPrivateKey(createPrivateKey(key)))
      throw new Error(`the key in ${paths.key} does not belong to it`);
    return { certificate, key, x509 };
  } catch (error) {
    throw new HeadwaterError('invalid', `certificate ${paths.certificate}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** The names of the server. The host name is first: clients that pin the certificate send the first name as SNI. */
function names() {
  const dns = [...new Set([hostname(), 'localhost'])].map((value) => ({ type: 2 as const, value }));
  const addresses = new Set(['127.0.0.1', '::1', ...machineAddresses({ loopback: true })]);
  const ip = [...addresses].map((address) => ({ type: 7 as const, ip: address }));
  return [...dns, ...ip];
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(error, { path, doing: 'read', isInput: true });
  }
}

async function writeDurably(path: string, text: string, mode: number): Promise<void> {
  const staged = `${path}.new`;
  const file = await open(staged, 'w', mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await chmod(staged, mode);
  await rename(staged, path);
}
