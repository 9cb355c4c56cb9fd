import { hostname } from 'node:os';
import { join } from 'node:path';
import { Access } from '../access/access.ts';
import { type OnStoreError, observeListed, observeStore } from '../blobs/observed-store.ts';
import type { Actor } from '../catalog/database/audit-record.ts';
import type { MirrorDefinition } from '../config/mirror-schema.ts';
import type { Config } from '../config/schema.ts';
import { messageOf } from '../errors.ts';
import { createApi } from '../http/api/router.ts';
import { createApplication } from '../http/application.ts';
import { AddressLimit } from '../http/connection/address-limit.ts';
import { BodyWatch } from '../http/connection/body-watch.ts';
import { clientAddress, ProxyTrust } from '../http/connection/client-address.ts';
import { ConnectionGate, connectionCapacity } from '../http/connection/connection-gate.ts';
import { Listener, type UpgradeListener } from '../http/connection/listener.ts';
import { Refusals } from '../http/connection/refusals.ts';
import { ResponseTurns } from '../http/connection/response-turns.ts';
import { readCertificate } from '../http/connection/self-signed.ts';
import { ServerCertificate } from '../http/connection/server-certificate.ts';
import { DocumentsHandler } from '../http/documents/documents-handler.ts';
import type { ErrorSinks } from '../http/errors.ts';
import { createFront } from '../http/front.ts';
import { Readiness } from '../http/health.ts';
import { logRequest } from '../http/log-request.ts';
import { Events } from '../http/registry/events.ts';
import { createRegistry } from '../http/registry/router.ts';
import { senderOf } from '../http/sender.ts';
import { OnDemandStore } from '../mirror/on-demand/on-demand-store.ts';
import { MirrorService } from '../mirror/service.ts';
import { defined } from '../model/defined.ts';
import { machineAddresses, reachableAddresses } from '../net/addresses.ts';
import { OwnAddresses } from '../net/own-addresses.ts';
import { Condition } from '../ops/condition.ts';
import { ReserveKeeper } from '../ops/keep-reserve.ts';
import { createLogger, type Logger } from '../ops/log.ts';
import { Metrics } from '../ops/metrics.ts';
import { StoreLease } from '../ops/store-lease.ts';
import { storeReport } from '../ops/store-report.ts';
import { StoreWatch } from '../ops/store-watch.ts';
import { Uploads } from '../publish/resumable-uploads.ts';
import { AutoUpdates } from '../registry/incoming/auto-updates.ts';
import { ImageServers } from '../registry/incoming/image-servers.ts';
import { PullPolicy } from '../registry/incoming/pull-policy.ts';
import { type PushPolicy, Receiver } from '../registry/incoming/receiver.ts';
import { Enrollment } from '../registry/join/enrollment.ts';
import { encodeJoinToken } from '../registry/join/join-token.ts';
import { Operations } from '../registry/operations/operations.ts';
import { Documents } from '../simplestreams/write/documents.ts';
import { version } from '../version.ts';
import { collectRegularly, forgetAliases } from './housekeeping.ts';
import { onDemandHooks } from './log-events.ts';
import { mirrorHooks } from './log-runs.ts';
import { updateHooks } from './log-updates.ts';
import { recordServer } from './running-servers.ts';
import { openWorkspace, streamsOf, type Workspace } from './workspace.ts';

/** A running server. */
export interface RunningServer {
  /** The addresses it can be reached by. */
  addresses: string[];
  /** The port it listens on. */
  port: number;
  /** The certificate that clients must trust, unless TLS is off. */
  certificatePath?: string;
  /** SHA-256 of that certificate, in hexadecimal. */
  fingerprint?: string;
  /** Whether Headwater made the certificate itself, so that clients have to be told to trust it. */
  selfSigned: boolean;
  /** What goes on in the background. */
  operations: Operations;
  /** Logs that SIGHUP came, which changes nothing. */
  noteHangup(): void;
  /** Lets answers finish within the configured limit, then stops everything. */
  close(): Promise<void>;
}

/**
 * Starts a server: opens the data directory and the store, renders the documents, listens, and runs the mirrors.
 * @throws HeadwaterError when the configuration names what is not there or cannot be used
 */
export async function startServer(
  config: Config,
  options: { mirrors?: MirrorDefinition[] } = {},
): Promise<RunningServer> {
  const log = createLogger(config.log);
  const refusals = new Refusals({
    log: (details, message) => log.warn(details, message),
    count: (reason) => metrics.observeRefusal(reason),
  });
  const onRefused = refusals.note;
  const onStoreError: OnStoreError = (operation, kind, error) => {
    metrics.observeStoreError(operation, kind);
    const level = kind === 'damaged' ? 'error' : 'warn';
    // What checks find, the watch reports once.
    if (operation !== 'check')
      log[level]({ operation, kind, error: messageOf(error) }, 'the blob store failed');
  };
  // A wrong path ends the start before it makes anything.
  if (typeof config.tls === 'object') await readCertificate(config.tls);
  const workspace = await openWorkspace(config, {
    observe: (store) => observeStore(store, onStoreError),
    onRefused: ({ client, address = 'this machine', error }) => refusals.noteError(error, address, client),
    onWarning: (warning, client) =>
      log.warn({ client, warning }, 'an image breaks a rule that is set to warn'),
  });
  const { catalog, store, destination } = workspace;
  const watch = await watchStore(workspace, log);
  const mirrorParts = { ...workspace, dataDir: config.dataDir };
  const mirrors = new MirrorService(options.mirrors ?? [], mirrorParts, mirrorHooks(log, config.mirrorDir));
  const onDemand = new OnDemandStore(options.mirrors ?? [], mirrorParts, onDemandHooks(log), {
    mayEvict: () => watch.mayRemove,
  });
  const imageBytes = { ...observeListed(onDemand, onStoreError), presign: onDemand.presign };
  const unmeasured = new Condition(log, {
    level: 'warn',
    begins: 'the catalog cannot be read for the metrics',
    ends: 'the catalog can be read for the metrics again',
  });
  const metrics = new Metrics({
    catalogSize: () => catalog.size(),
    mirrors: () => mirrors.statuses(),
    onRead: (problem) => unmeasured.set(problem),
  });
  watch.showIn(metrics);
  metrics.watch(
    'headwater_examinations_running',
    'Files that are being looked into.',
    () => workspace.examinations().running,
  );
  metrics.watch(
    'headwater_examinations_waiting',
    'Files that wait to be looked into.',
    () => workspace.examinations().waiting,
  );
  const documents = new Documents(catalog, {
    onError: (error) => log.error({ error }, 'the documents could not be rendered'),
    onRendered: ({ revision, milliseconds }) => {
      metrics.observeRendering(milliseconds / 1000);
      log.debug({ revision, milliseconds }, 'documents rendered');
    },
  });
  await documents.start();

  const access = new Access(catalog, (stream) => config.streams[stream]?.public ?? true);
  const uploads = new Uploads({
    directory: join(config.dataDir, 'uploads'),
    uploadersOf: (digest) => catalog.blobs.uploaders(digest),
    limit: config.limits.uploadSize,
    unfinished: {
      uploads: config.limits.unfinishedUploads,
      bytes: config.limits.unfinishedUploadBytes,
      unpublished: (uploader) => catalog.blobs.unpublishedBytes(uploader),
    },
  });
  const handler = new DocumentsHandler(documents, access);
  const plainIsLimited = config.tls !== 'off';
  const onDefect = (error: unknown, id: string) => log.error({ id, err: error }, 'a request failed');
  const sinks: ErrorSinks = {
    onDefect,
    noteRefusal: (error, request) => refusals.noteError(error, clientAddress(request), senderOf(request)),
  };
  const noteRefusal = (error: unknown, { who, from }: Actor) => refusals.noteError(error, from, who);
  const certificate = await ServerCertificate.open(config);
  const serverName = `${hostname()}-${await catalog.instance()}`;
  const operations = new Operations({ location: serverName, onDefect });
  const events = new Events({ access, operations, onRefused });
  metrics.watch('headwater_registry_listeners', 'Clients that listen to events.', () => events.size);
  const published = () => documents.refresh();
  let port = config.listen.port;
  const addresses = () => reachableAddresses(config, port);
  const imageServers = new ImageServers(config.registry.mirrorFrom, store);
  const receiver = new Receiver({
    ...{ access, catalog, destination, published, noteRefusal },
    policy: pushPolicy(config),
  });
  const updates = new AutoUpdates(
    { catalog, receiver, servers: imageServers },
    { every: config.registry.refreshEvery, hooks: updateHooks(log) },
  );
  metrics.watch(
    'headwater_registry_updates_failing',
    'Images with auto-update whose last look for a newer version failed.',
    () => updates.failing,
  );
  const registry = createRegistry(
    {
      catalog,
      imageBytes,
      destination,
      access,
      operations,
      enrollment: new Enrollment({ sharedSecret: config.joinSecret, pushedTo: config.registry.stream }),
      information: {
        name: serverName,
        version,
        addresses,
        certificate: () => certificate,
      },
      uploadLimit: config.limits.uploadSize,
      pushes: pushPolicy(config),
      pulls: new PullPolicy({
        from: config.registry.pullFrom,
        ours: new OwnAddresses(config, () => port),
      }),
      imageServers,
      updates,
      noteRefusal,
      published,
    },
    sinks,
  );
  const application = createApplication({
    access,
    documents: handler,
    products: catalog.products,
    images: imageBytes,
    readiness: new Readiness(store, documents, catalog.reserve, () => catalog.knownDamage),
    metrics,
    api: createApi({
      catalog,
      destination,
      uploads,
      mirrors,
      access,
      storeReport: () => storeReport(workspace, watch.problem),
      pushedTo: config.registry.stream,
      configuredStreams: streamsOf(config, options.mirrors ?? []),
      joinToken: (token, secret) =>
        encodeJoinToken(token, { secret, fingerprint: certificate?.fingerprint, addresses: addresses() }),
      published,
    }),
    registry,
    plainIsLimited,
    redirectToStore: config.storage.type === 's3' && config.storage.redirect,
    sinks,
  });
  const bodies = new BodyWatch(undefined, onRefused);
  const proxies = new ProxyTrust(config.trustedProxies);
  const { limits } = config;
  const requests = new AddressLimit({ perAddress: limits.requestsPerAddress, total: limits.requests });
  const front = createFront({
    bodies,
    documents: handler,
    application,
    plainIsLimited,
    proxies,
    requests,
    onRefused,
    onAnswered: (request) => {
      metrics.observeRequest(request);
      logRequest(log, request);
    },
  });

  const turns = new ResponseTurns(front, { sendTimeout: limits.sendTimeout, onRefused });
  const upgrade: UpgradeListener = (request, socket, head) => {
    // It would be answered in the midst of a response.
    if (turns.isBusy(request.socket)) socket.destroy();
    else void events.upgrade(request, socket, head);
  };
  const capacity = connectionCapacity() ?? limits.connections;
  if (capacity < limits.connections) {
    log.warn(
      { connections: capacity, configured: limits.connections },
      'fewer connections are allowed than limits.connections says: raise the limit of open files (LimitNOFILE, ulimit -n)',
    );
  }
  const gate = new ConnectionGate(
    { perAddress: limits.connectionsPerAddress, total: Math.min(capacity, limits.connections) },
    { proxies, onRefused },
  );
  metrics.watch('headwater_http_connections', 'Connections that are open.', () => gate.open);
  metrics.watch('headwater_http_requests_under_way', 'Requests that are under way.', () => turns.size);
  const listener = new Listener(turns.take, upgrade, certificate?.files, undefined, {
    admit: (socket) => gate.admit(socket),
    onRefused,
  });
  port = await listener.listen(config.listen.address, config.listen.port);
  const stopWatching = certificate?.follow({
    onRenewed: (files) => {
      listener.renew(files);
      log.info({ certificate: certificate.paths.certificate }, 'certificate read again');
    },
    onProblem: (error) => log.warn({ error: messageOf(error) }, 'the changed certificate is not used'),
  });
  const stopForgetting = forgetAliases(workspace, log);
  const reserve = new ReserveKeeper(catalog.reserve, log);
  metrics.watch(
    'headwater_reserve_bytes',
    'Bytes kept for changes on a full disk.',
    () => reserve.gauges.reserved,
  );
  metrics.watch(
    'headwater_disk_free_bytes',
    'Bytes that are free on the disk of the data directory.',
    () => reserve.gauges.free,
  );
  const stopCollecting = collectRegularly(workspace, { uploads, onDemand, watch, reserve }, config, log);
  await mirrors.start();
  updates.start();
  const forgetRecord = await recordServer(
    config.dataDir,
    { ...config, listen: { ...config.listen, port } },
    (error) =>
      log.warn(
        { error: messageOf(error) },
        'the record of this server was not written or removed: other commands may not find the server, or ask one that has ended',
      ),
  );
  log.info({ address: config.listen.address, port }, 'listening');

  const { address } = config.listen;
  return {
    addresses: address === '::' || address === '0.0.0.0' ? machineAddresses({ loopback: false }) : [address],
    port,
    selfSigned: config.tls === 'self-signed',
    operations,
    ...(certificate === undefined
      ? {}
      : { certificatePath: certificate.paths.certificate, fingerprint: certificate.fingerprint }),
    noteHangup: () => log.warn('SIGHUP is ignored: restart the server to apply another configuration'),
    close: async () => {
      log.info('stopping');
      // The port is closed before anything else is waited for.
      const forgotten = forgetRecord();
      stopWatching?.();
      const mirrorsStopped = mirrors.stop();
      const draining = setInterval(() => events.drain(), 100);
      await listener.close(config.shutdownTimeout);
      clearInterval(draining);
      await forgotten;
      events.close();
      bodies.close();
      turns.close();
      refusals.close();
      await operations.close();
      await updates.stop();
      await stopForgetting();
      await mirrorsStopped;
      await onDemand.close();
      await stopCollecting();
      await reserve.stop();
      await documents.stop();
      await watch.close();
      await workspace.close();
      log.info('stopped');
      log.flush();
    },
  };
}

/** @throws HeadwaterError `conflict` while a server with another catalog uses the store */
async function watchStore(workspace: Workspace, log: Logger): Promise<StoreWatch> {
  try {
    const lease = await StoreLease.open(workspace.store, workspace.catalogFile);
    const watch = new StoreWatch({ ...workspace, lease, log });
    await watch.start();
    return watch;
  } catch (error) {
    await workspace.close();
    throw error;
  }
}

function pushPolicy({ registry, limits }: Config): PushPolicy {
  const { stream, keep, streamQuota, entryQuota } = registry;
  return {
    stream,
    keep,
    uploadLimit: limits.uploadSize,
    quotas: defined({ stream: streamQuota, entry: entryQuota }),
  };
}
