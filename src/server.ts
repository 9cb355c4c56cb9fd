import { unwatchFile, watchFile } from 'node:fs';
import { join } from 'node:path';
import type { MirrorDefinition } from './config/mirror-schema.ts';
import type { Config } from './config/schema.ts';
import { messageOf } from './errors.ts';
import { Access } from './http/access.ts';
import { machineAddresses } from './http/addresses.ts';
import { createApi } from './http/api/router.ts';
import { Uploads } from './http/api/uploads.ts';
import { createApplication } from './http/application.ts';
import { type CertificatePaths, ensureSelfSigned, readCertificate } from './http/certificate.ts';
import { type AnsweredRequest, createFront } from './http/front.ts';
import { Readiness } from './http/health.ts';
import { Listener } from './http/listener.ts';
import { DocumentsHandler } from './http/streams/documents-handler.ts';
import { onDemandHooks } from './mirror/log-fetches.ts';
import { mirrorHooks } from './mirror/log-runs.ts';
import { OnDemandStore } from './mirror/on-demand-store.ts';
import { MirrorService } from './mirror/service.ts';
import { collectGarbage } from './ops/garbage-collection.ts';
import { createLogger, type Logger } from './ops/log.ts';
import { Metrics } from './ops/metrics.ts';
import { observeStore } from './ops/observed-store.ts';
import { Documents } from './streams/documents.ts';
import { openWorkspace } from './workspace.ts';

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
  /** Lets answers finish within the configured limit, then stops everything. */
  close(): Promise<void>;
}

/** How often certificate files are looked at for a change, in milliseconds. */
const certificateInterval = 2000;
/** How often garbage is collected, and how many of those rounds pass between looks through the whole store. */
const collectionInterval = 10 * 60_000;
const roundsBetweenSweeps = 144;
/** What arrived of a broken upload waits this long for its client, in milliseconds. */
const uploadPatience = 24 * 3_600_000;

/**
 * Starts a server: opens the data directory and the store, renders the documents, listens, and runs the mirrors.
 * @throws HeadwaterError when the configuration names what is not there or cannot be used
 */
export async function startServer(
  config: Config,
  options: { mirrors?: MirrorDefinition[] } = {},
): Promise<RunningServer> {
  const log = createLogger(config.log);
  const workspace = await openWorkspace(config, {
    observe: (store) =>
      observeStore(store, (operation, kind, error) => {
        metrics.observeStoreError(operation, kind);
        log.warn({ operation, error: messageOf(error) }, 'the blob store failed');
      }),
  });
  const { catalog, store, destination } = workspace;
  const mirrorParts = { ...workspace, dataDir: config.dataDir };
  const mirrors = new MirrorService(options.mirrors ?? [], mirrorParts, mirrorHooks(log));
  const onDemand = new OnDemandStore(options.mirrors ?? [], mirrorParts, onDemandHooks(log));
  const metrics = new Metrics({ catalogSize: () => catalog.size(), mirrors: () => mirrors.statuses() });
  const documents = new Documents(catalog, {
    onError: (error) => log.error({ error }, 'the documents could not be rendered'),
    onRendered: ({ revision, milliseconds }) => {
      metrics.observeRendering(milliseconds / 1000);
      log.debug({ revision, milliseconds }, 'documents rendered');
    },
  });
  await documents.start();

  const access = new Access(catalog.tokens, (stream) => config.streams[stream]?.public ?? true);
  const uploads = new Uploads({
    directory: join(config.dataDir, 'uploads'),
    destination,
    limit: config.limits.uploadSize,
  });
  const handler = new DocumentsHandler(documents, access);
  const plainIsLimited = config.tls !== 'off';
  const onDefect = (error: unknown, id: string) => log.error({ id, err: error }, 'a request failed');
  const application = createApplication({
    access,
    documents: handler,
    products: catalog.products,
    images: onDemand,
    readiness: new Readiness(store, documents),
    metrics,
    api: createApi({
      catalog,
      store,
      destination,
      uploads,
      mirrors,
      access,
      published: () => documents.refresh(),
    }),
    plainIsLimited,
    redirectToStore: config.storage.type === 's3' && config.storage.redirect,
    onDefect,
  });
  const front = createFront({
    documents: handler,
    application,
    plainIsLimited,
    onAnswered: (request) => {
      metrics.observeRequest(request);
      logRequest(log, request);
    },
  });

  const certificate = await openCertificate(config);
  const listener = new Listener(front, certificate?.files);
  const port = await listener.listen(config.listen.address, config.listen.port);
  const stopWatching = certificate === undefined ? () => undefined : follow(certificate.paths, listener, log);
  const stopCollecting = collectRegularly(workspace, { uploads, onDemand }, config, log);
  await mirrors.start();
  log.info({ address: config.listen.address, port }, 'listening');

  const { address } = config.listen;
  return {
    addresses: address === '::' || address === '0.0.0.0' ? machineAddresses({ loopback: false }) : [address],
    port,
    selfSigned: config.tls === 'self-signed',
    ...(certificate === undefined
      ? {}
      : { certificatePath: certificate.paths.certificate, fingerprint: certificate.fingerprint }),
    close: async () => {
      log.info('stopping');
      stopWatching();
      const mirrorsStopped = mirrors.stop();
      await listener.close(config.shutdownTimeout);
      await mirrorsStopped;
      await onDemand.close();
      await stopCollecting();
      await documents.stop();
      await workspace.close();
      log.info('stopped');
      log.flush();
    },
  };
}

function logRequest(log: Logger, request: AnsweredRequest): void {
  const { id, method, target, status, bytes, remote, agent, encrypted, broken } = request;
  const ms = Math.round(request.seconds * 1e6) / 1000;
  const probe = target === '/healthz' || target === '/readyz' || target === '/metrics';
  log[status >= 500 ? 'warn' : probe ? 'debug' : 'info'](
    {
      id,
      method,
      target,
      status,
      bytes,
      ms,
      remote,
      agent,
      ...(encrypted ? {} : { plain: true }),
      ...(broken ? { broken } : {}),
    },
    'request',
  );
}

async function openCertificate(config: Config) {
  if (config.tls === 'off') return undefined;
  const paths = config.tls === 'self-signed' ? await ensureSelfSigned(config.dataDir) : config.tls;
  const { x509, ...files } = await readCertificate(paths);
  return { paths, files, fingerprint: x509.fingerprint256.replaceAll(':', '').toLowerCase() };
}

/** Uses a renewed certificate as soon as both its files are there and fit. */
function follow(paths: CertificatePaths, listener: Listener, log: Logger): () => void {
  const renew = async () => {
    try {
      listener.renew(await readCertificate(paths));
      log.info({ certificate: paths.certificate }, 'certificate read again');
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'the changed certificate is not used');
    }
  };
  const files = [paths.certificate, paths.key];
  for (const file of files)
    watchFile(file, { interval: certificateInterval, persistent: false }, () => void renew());
  return () => {
    for (const file of files) unwatchFile(file);
  };
}

/** Collects garbage now and then; the first time at once, for what a killed process left. */
function collectRegularly(
  { catalog, store }: Awaited<ReturnType<typeof openWorkspace>>,
  { uploads, onDemand }: { uploads: Uploads; onDemand: OnDemandStore },
  config: Config,
  log: Logger,
): () => Promise<void> {
  let round = 0;
  let running = Promise.resolve();
  const collect = async () => {
    try {
      const strays = round++ % roundsBetweenSweeps === 0;
      const collected = await collectGarbage(catalog, store, { gracePeriod: config.gracePeriod, strays });
      await uploads.clean(new Date(Date.now() - uploadPatience));
      await onDemand.evict();
      if (collected.versions + collected.blobs + collected.strays > 0)
        log.info(collected, 'garbage collected');
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'garbage was not collected; the next round tries again');
    }
  };
  const start = () => {
    running = running.then(collect);
  };
  start();
  const timer = setInterval(start, Math.min(collectionInterval, Math.max(1000, config.gracePeriod)));
  timer.unref();
  return async () => {
    clearInterval(timer);
    await running;
  };
}
