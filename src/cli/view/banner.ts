import { hostname } from 'node:os';
import type { Config } from '../../config/schema.ts';

/** What a started server says of itself. */
export interface Started {
  port: number;
  selfSigned: boolean;
  certificatePath?: string;
  /** SHA-256 of the certificate. */
  fingerprint?: string;
}

/** Where clients reach the server. */
export function serverUrl(config: Config, port: number): string {
  if (config.publicUrl !== undefined) return config.publicUrl;
  const { address } = config.listen;
  const everywhere = address === '::' || address === '0.0.0.0';
  const host = everywhere ? hostname() : address.includes(':') ? `[${address}]` : address;
  return `${config.tls === 'off' ? 'http' : 'https'}://${host}:${port}`;
}

/** What a person needs to know once the server runs. */
export function bannerText(
  config: Config,
  { port, selfSigned, certificatePath, fingerprint }: Started,
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
      'Clients demand https: put a proxy with a certificate in front and set publicUrl to its address.',
    );
  }
  if (selfSigned && certificatePath !== undefined) lines.push('', ...trustText(certificatePath, fingerprint));
  return `${lines.join('\n')}\n`;
}

/** How clients that push come to be trusted: they join, over the protocol of LXD and Incus. */
const joinText = [
  'To push images to it, join it, with a token that lets one client in:',
  '  headwater token create NAME --join    (prints the TOKEN)',
  '  lxc remote add ours TOKEN',
  '  incus remote add ours TOKEN',
];

/** Neither client offers to trust a certificate of a simplestreams remote: a file has to be put in place. */
function trustText(certificate: string, fingerprint: string | undefined): string[] {
  return [
    `Its certificate is self-signed: ${certificate}`,
    ...(fingerprint === undefined ? [] : [`  SHA-256 ${fingerprint}`]),
    'To trust it for one user of lxc or incus, copy it to the client as',
    '  ~/.config/lxc/servercerts/headwater.crt               (lxc)',
    '  ~/snap/lxd/common/config/servercerts/headwater.crt    (lxc from the snap)',
    '  ~/.config/incus/servercerts/headwater.crt             (incus)',
    'To trust it for everyone on a machine, copy it to /usr/local/share/ca-certificates/headwater.crt,',
    'run update-ca-certificates and restart the lxd or incus daemon, which reads the store only at its start.',
  ];
}
