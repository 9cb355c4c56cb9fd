import type { Token } from '../../catalog/identities/tokens.ts';
import type { Config } from '../../config/schema.ts';
import { HeadwaterError } from '../../errors.ts';
import { ServerCertificate } from '../../http/connection/server-certificate.ts';
import { reachableAddresses } from '../../net/addresses.ts';
import { encodeJoinToken } from '../../registry/join/join-token.ts';
import { runningServers, type ServerRecord } from '../../server/running-servers.ts';

export interface JoinTokenWriter {
  write: (token: Pick<Token, 'name' | 'expiresAt'>, secret: string) => string;
  /** Problems that may keep clients from joining with the tokens. */
  warnings: string[];
}

/**
 * Writes join tokens with the addresses and the certificate of the server that runs on the data directory. If none runs, the
 * addresses come from the configuration.
 * @throws HeadwaterError `invalid` if clients cannot join
 */
export async function joinTokenWriter(config: Config): Promise<JoinTokenWriter> {
  const [newest, ...otherServers] = await runningServers(config.dataDir);
  const server = newest ?? config;
  if (server.listen.port === 0 && server.publicUrl === undefined) {
    throw new HeadwaterError(
      'invalid',
      `listen.port is 0, and no server runs on ${config.dataDir}: start the server first, or create the token with --server`,
    );
  }
  const fingerprint = await fingerprintOf(server, config.dataDir);
  const addresses = new Set(addressesOf(server));
  // A token contains the fingerprint of only one certificate.
  for (const other of otherServers) {
    if ((await fingerprintOf(other, config.dataDir)) !== fingerprint) continue;
    for (const address of addressesOf(other)) addresses.add(address);
  }
  const write = (token: Pick<Token, 'name' | 'expiresAt'>, secret: string) =>
    encodeJoinToken(token, { secret, fingerprint, addresses: [...addresses] });
  // Fails here, before anything is created, if a token cannot be written.
  write({ name: '' }, '');
  const warnings =
    newest === undefined
      ? [
          `no server runs on ${config.dataDir}: the token contains the addresses of the configuration (${[...addresses].join(', ')}); start the server with the same settings, or create the token again while it runs`,
        ]
      : [];
  return { write, warnings };
}

function addressesOf(server: ServerRecord): string[] {
  return reachableAddresses(server, server.listen.port);
}

async function fingerprintOf({ tls }: ServerRecord, dataDir: string): Promise<string | undefined> {
  return (await ServerCertificate.open({ tls, dataDir }))?.fingerprint;
}
