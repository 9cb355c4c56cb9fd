import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { ensureSelfSigned } from '../../src/http/connection/self-signed.ts';

// Making a certificate takes some 20 ms of computing, and loading the library that makes it 200 ms: the tests of a process
// share the certificates whose making they do not test.

interface KeyPair {
  cert: string;
  key: string;
}

const made: Promise<KeyPair>[] = [];
const given = new WeakMap<object, number>();

/** A self-signed certificate that this server, or whoever else asks, was not given before. */
export async function certificateFor(owner: object): Promise<KeyPair> {
  const index = given.get(owner) ?? 0;
  given.set(owner, index + 1);
  made[index] ??= generateKeyPair();
  return await made[index];
}

async function generateKeyPair(): Promise<KeyPair> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'client' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
  });
  return { cert, key };
}

let ofServers: Promise<KeyPair> | undefined;

/** Puts the certificate that a server would make at its first start into its data directory. */
export async function placeServerCertificate(dataDir: string): Promise<void> {
  ofServers ??= serverCertificate();
  const { cert, key } = await ofServers;
  const directory = join(dataDir, 'tls');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  try {
    await writeFile(join(directory, 'server.key'), key, { mode: 0o600, flag: 'wx' });
    await writeFile(join(directory, 'server.crt'), cert, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    // A server was started there before.
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

async function serverCertificate(): Promise<KeyPair> {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-certificate-'));
  const paths = await ensureSelfSigned(directory);
  const pair = { cert: await readFile(paths.certificate, 'utf8'), key: await readFile(paths.key, 'utf8') };
  await rm(directory, { recursive: true });
  return pair;
}
