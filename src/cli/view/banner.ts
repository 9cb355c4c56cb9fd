import { hostname } from 'node:os';
import type { Config } from '../../config/schema.ts';

/** The facts of a started server. */
export interface Started {
  port: number;
  selfSigned: boolean;
  certificatePath?: string;
  /** SHA-256 of the certificate. */
  fingerprint?: string;
  /** The fingerprint of the OpenPGP key that signs the documents. */
  signingKey?: string;
}

/** The URL of the server for clients. */
export function serverUrl(config: Config, port: number): string {
  if (config.publicUrl !== undefined) return config.publicUrl;
  const { address } = config.listen;
  const everywhere = address === '::' || address === '0.0.0.0';
  const host = everywhere ? hostname() : address.includes(':') ? `[${address}]` : address;
  return `${config.tls === 'off' ? 'http' : 'https'}://${host}:${port}`;
}

/** The text for people that the server prints after its start. */
export function bannerText(
  config: Config,
  { port, selfSigned, certificatePath, fingerprint, signingKey }: Started,
): string {
  const url = serverUrl(config, port);
  const lines = [
    `Headwater serves ${url}`,
    '',
    'Add it as a remote:',
    `  lxc remote add headwater ${url} --protocol simplestreams --public`,
    `  incus remote add headwater ${url} --protocol simplestreams --public`,
  ];
  if (config.tls !== 'off') lines.push('', ...joinText);
  if (url.startsWith('http:')) {
    lines.push(
      '',
      'Clients require https: put a proxy with a certificate in front, and set publicUrl to its address.',
    );
  }
  if (signingKey !== undefined) {
    lines.push('', `The OpenPGP key ${signingKey} signs the documents; its public key:`);
    lines.push(`  ${url}/keys/headwater.gpg`);
  }
  if (selfSigned && certificatePath !== undefined) lines.push('', ...trustText(certificatePath, fingerprint));
  return `${lines.join('\n')}\n`;
}

/** Clients that push must join, over the LXD protocol. */
const joinText = [
  'To let a client push images, create a join token:',
  '  headwater token create NAME --join    (prints the TOKEN)',
  '  lxc remote add ours TOKEN',
  '  incus remote add ours TOKEN',
];

/** No client offers to trust the certificate of a simplestreams remote: the user must install a file. */
function trustText(certificate: string, fingerprint: string | undefined): string[] {
  return [
    `The certificate is self-signed: ${certificate}`,
    ...(fingerprint === undefined ? [] : [`  SHA-256 ${fingerprint}`]),
    'To trust it for one user of lxc or incus, copy it to the client as:',
    '  ~/.config/lxc/servercerts/headwater.crt               (lxc)',
    '  ~/snap/lxd/common/config/servercerts/headwater.crt    (lxc from the snap)',
    '  ~/.config/incus/servercerts/headwater.crt             (incus)',
    'To trust it for all users of a machine, copy it to /usr/local/share/ca-certificates/headwater.crt,',
    'run update-ca-certificates, and restart the LXD or Incus daemon.',
  ];
}
