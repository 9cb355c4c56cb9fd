import type { Config } from '../config/schema.ts';
import type { AnyDefinition } from '../config/sites/any-definition.ts';
import { readCertificate } from '../http/connection/self-signed.ts';
import { defined } from '../model/defined.ts';
import { machineAddresses } from '../net/addresses.ts';
import type { Operations } from '../registry/operations/operations.ts';
import { recordListening, startBackground } from './background.ts';
import { openFoundation } from './foundation.ts';
import { createPort, type Port } from './listen.ts';
import { Resources } from './resources.ts';
import { composeServices, type Services } from './services.ts';
import { composeSurface, type Surface } from './surface.ts';

/** A running server. */
export interface RunningServer {
  /** The addresses at which it can be reached. */
  addresses: string[];
  /** The port it listens on. */
  port: number;
  /** The certificate that clients must trust, unless TLS is off. */
  certificatePath?: string;
  /** SHA-256 of that certificate, in hexadecimal. */
  fingerprint?: string;
  /** Whether Headwater created the certificate itself, so that clients must be configured to trust it. */
  selfSigned: boolean;
  /** The OpenPGP key that signs the documents, by its fingerprint; undefined when nothing is signed. */
  signingKey?: string;
  /** The background work. */
  operations: Operations;
  /** Logs a SIGHUP, which changes nothing. */
  noteHangup(): void;
  /** Lets responses finish within the configured limit, then stops everything. */
  close(): Promise<void>;
}

/**
 * Starts a server: opens the data directory and the store, renders the documents, listens, and runs the mirrors. When a
 * step fails, everything that was opened before is closed.
 * @throws HeadwaterError when the configuration names something that does not exist or cannot be used
 */
export async function startServer(
  config: Config,
  options: { mirrors?: AnyDefinition[] } = {},
): Promise<RunningServer> {
  const opened = new Resources();
  try {
    return await open(config, options.mirrors ?? [], opened);
  } catch (error) {
    // The reason why it did not start matters, not errors of closing.
    await opened.close().catch(() => undefined);
    throw error;
  }
}

async function open(config: Config, definitions: AnyDefinition[], opened: Resources): Promise<RunningServer> {
  // A wrong path ends the start before anything is created.
  if (typeof config.tls === 'object') await readCertificate(config.tls);
  const foundation = await openFoundation(config, opened);
  const services = await composeServices(foundation, config, definitions, opened);
  // Closed when nothing is answered any more: a round that has begun is waited for.
  const background = opened.group('the work in the background');
  const port = await createPort(foundation, config, opened);
  const surface = composeSurface({ foundation, services, port, config, definitions }, opened);
  const bound = await listen(port, surface, services, config, opened);
  await startBackground(foundation, services, config, background);
  const removeRecord = await recordListening(foundation, config, bound);
  // Its removal begins before the port is closed, which must not wait for a disk.
  let removed: Promise<void> | undefined;
  background.onClose('the record of the server', () => removed);
  opened.onClose('the record of the server', () => {
    removed = removeRecord();
  });
  const { log } = foundation;
  const signingKey = foundation.signing?.keys.signing.fingerprint;
  log.info({ address: config.listen.address, port: bound, ...defined({ signingKey }) }, 'listening');

  const { address } = config.listen;
  const { certificate } = port;
  return {
    addresses: address === '::' || address === '0.0.0.0' ? machineAddresses({ loopback: false }) : [address],
    port: bound,
    selfSigned: config.tls === 'self-signed',
    operations: services.operations,
    ...defined({ signingKey }),
    ...(certificate === undefined
      ? {}
      : { certificatePath: certificate.paths.certificate, fingerprint: certificate.fingerprint }),
    noteHangup: () => log.warn('SIGHUP is ignored: restart the server to apply another configuration'),
    close: async () => {
      log.info('stopping');
      await opened.close();
      log.info('stopped');
      log.flush();
    },
  };
}

/** @returns the port */
async function listen(
  { listener }: Port,
  { handle, upgrade, isBusy, drain }: Surface,
  { mirrors }: Services,
  { listen: { address, port }, shutdownTimeout }: Config,
  opened: Resources,
): Promise<number> {
  listener.handle(handle, upgrade, isBusy);
  opened.onClose('the port', async () => {
    // Runs are told to end while the last responses are sent; "the mirrors" waits for them.
    const stopped = mirrors.stop();
    const draining = setInterval(drain, 100);
    await listener.close(shutdownTimeout);
    clearInterval(draining);
    await stopped;
  });
  return await listener.listen(address, port);
}
