import { unwatchFile, watchFile } from 'node:fs';
import type { Config } from '../../config/schema.ts';
import type { TlsFiles } from './listener.ts';
import { type CertificatePaths, ensureSelfSigned, readCertificate } from './self-signed.ts';

/** How often certificate files are checked for changes, in milliseconds. */
const interval = 2000;

/** The certificate that the server presents. */
export class ServerCertificate {
  readonly paths: CertificatePaths;
  #files: TlsFiles;
  #fingerprint: string;

  private constructor(paths: CertificatePaths, files: TlsFiles, fingerprint: string) {
    this.paths = paths;
    this.#files = files;
    this.#fingerprint = fingerprint;
  }

  /**
   * Reads the certificate that the configuration names, or creates one. @returns undefined if TLS is off
   * @throws HeadwaterError `not-found` or `invalid`, naming the file
   */
  static async open({
    tls,
    dataDir,
  }: Pick<Config, 'tls' | 'dataDir'>): Promise<ServerCertificate | undefined> {
    if (tls === 'off') return undefined;
    const paths = tls === 'self-signed' ? await ensureSelfSigned(dataDir) : tls;
    const { files, fingerprint } = await read(paths);
    return new ServerCertificate(paths, files, fingerprint);
  }

  get files(): TlsFiles {
    return this.#files;
  }

  /** SHA-256 of its DER form, in hexadecimal. */
  get fingerprint(): string {
    return this.#fingerprint;
  }

  /** Uses a renewed certificate as soon as both its files exist and match. @returns a function that ends the checks */
  follow(listeners: {
    onRenewed: (files: TlsFiles) => void;
    onProblem: (error: unknown) => void;
  }): () => void {
    const renew = async () => {
      try {
        const { files, fingerprint } = await read(this.paths);
        this.#files = files;
        this.#fingerprint = fingerprint;
        listeners.onRenewed(files);
      } catch (error) {
        listeners.onProblem(error);
      }
    };
    const paths = [this.paths.certificate, this.paths.key];
    for (const path of paths) watchFile(path, { interval, persistent: false }, () => void renew());
    return () => {
      for (const path of paths) unwatchFile(path);
    };
  }
}

async function read(paths: CertificatePaths): Promise<{ files: TlsFiles; fingerprint: string }> {
  const { x509, ...files } = await readCertificate(paths);
  return { files, fingerprint: x509.fingerprint256.replaceAll(':', '').toLowerCase() };
}
