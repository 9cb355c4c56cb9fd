import type { Config } from '../config/schema.ts';
import { messageOf } from '../errors.ts';
import { ProxyTrust } from '../http/connection/client-address.ts';
import { ConnectionGate, connectionCapacity } from '../http/connection/connection-gate.ts';
import { Listener } from '../http/connection/listener.ts';
import { ServerCertificate } from '../http/connection/server-certificate.ts';
import { reachableAddresses } from '../net/addresses.ts';
import type { Foundation } from './foundation.ts';
import type { Resources } from './resources.ts';

/** The port of a server, with its certificate. */
export interface Port {
  listener: Listener;
  /** Undefined where TLS is off. */
  certificate: ServerCertificate | undefined;
  proxies: ProxyTrust;
  /** The addresses at which clients reach the server, as `host:port`. */
  addresses: () => string[];
}

/** Creates the listener, which does not listen yet. */
export async function createPort(
  { log, metrics, refusals }: Foundation,
  config: Config,
  opened: Resources,
): Promise<Port> {
  const certificate = await ServerCertificate.open(config);
  const proxies = new ProxyTrust(config.trustedProxies);
  const { limits } = config;
  const capacity = connectionCapacity() ?? limits.connections;
  if (capacity < limits.connections) {
    log.warn(
      { connections: capacity, configured: limits.connections },
      'fewer connections are allowed than limits.connections says: raise the limit of open files (LimitNOFILE, ulimit -n)',
    );
  }
  const gate = new ConnectionGate(
    { perAddress: limits.connectionsPerAddress, total: Math.min(capacity, limits.connections) },
    { proxies, onRefused: refusals.note },
  );
  metrics.watch('headwater_http_connections', 'Connections that are open.', () => gate.open);
  const listener = new Listener({
    tls: certificate?.files,
    gate: { admit: (socket) => gate.admit(socket), onRefused: refusals.note },
  });
  const stopFollowing = certificate?.follow({
    onRenewed: (files) => {
      listener.renew(files);
      log.info({ certificate: certificate.paths.certificate }, 'certificate read again');
    },
    onProblem: (error) => log.warn({ error: messageOf(error) }, 'the changed certificate is not used'),
  });
  opened.onClose('the watch of the certificate', () => stopFollowing?.());
  const addresses = () => reachableAddresses(config, listener.port ?? config.listen.port);
  return { listener, certificate, proxies, addresses };
}
