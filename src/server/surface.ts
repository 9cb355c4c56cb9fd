import type { Socket } from 'node:net';
import type { Config } from '../config/schema.ts';
import type { AnyDefinition } from '../config/sites/any-definition.ts';
import { createApi } from '../http/api/router.ts';
import { createApplication } from '../http/application.ts';
import { AddressLimit } from '../http/connection/address-limit.ts';
import { BodyWatch } from '../http/connection/body-watch.ts';
import { clientAddress } from '../http/connection/client-address.ts';
import type { UpgradeListener } from '../http/connection/listener.ts';
import { ResponseTurns } from '../http/connection/response-turns.ts';
import { ChecksumDocuments } from '../http/documents/checksum-documents.ts';
import { Checksums } from '../http/documents/checksums.ts';
import { DocumentsHandler } from '../http/documents/documents-handler.ts';
import type { ErrorSinks } from '../http/errors.ts';
import { createFront } from '../http/front.ts';
import { Readiness } from '../http/health.ts';
import { logRequest } from '../http/log-request.ts';
import { LxcIndex } from '../http/lxc/lxc-index.ts';
import { LxcSurface } from '../http/lxc/lxc-surface.ts';
import { Events } from '../http/registry/events.ts';
import { createRegistry } from '../http/registry/router.ts';
import { senderOf } from '../http/sender.ts';
import { SystemdSurface } from '../http/systemd/systemd-surface.ts';
import type { Digest } from '../model/digest.ts';
import { generatedKinds } from '../model/generated-files.ts';
import { OwnAddresses } from '../net/own-addresses.ts';
import { storeReport } from '../ops/store-report.ts';
import { PullPolicy } from '../registry/incoming/pull-policy.ts';
import { Enrollment } from '../registry/join/enrollment.ts';
import { encodeJoinToken } from '../registry/join/join-token.ts';
import { version } from '../version.ts';
import { BundleStreams } from './bundles.ts';
import type { Foundation } from './foundation.ts';
import type { Port } from './listen.ts';
import { composeOci } from './oci.ts';
import type { Resources } from './resources.ts';
import type { Services } from './services.ts';
import { streamsOf } from './workspace.ts';

/** The request handler of a port. */
export interface Surface {
  handle: ResponseTurns['take'];
  upgrade: UpgradeListener;
  /** Whether a connection has an active response. */
  isBusy: (socket: Socket) => boolean;
  /** Closes the connections of listeners whose operations have ended. */
  drain: () => void;
}

/** The parts of the surfaces. */
interface Composition {
  foundation: Foundation;
  services: Services;
  port: Port;
  config: Config;
  definitions: AnyDefinition[];
}

/** Combines the surfaces: documents, image files, the management API, and the LXD API. */
export function composeSurface(composition: Composition, opened: Resources): Surface {
  const { foundation, services, port, config } = composition;
  const { log, metrics, refusals } = foundation;
  const { limits } = config;
  const documents = new DocumentsHandler(foundation.documents, services.access, foundation.signing);
  const bodies = new BodyWatch(undefined, refusals.note);
  opened.onClose('the watch of bodies', () => bodies.close());
  const front = createFront({
    bodies,
    documents,
    application: composeApplication(composition, documents, opened),
    plainIsLimited: config.tls !== 'off',
    proxies: port.proxies,
    requests: new AddressLimit({ perAddress: limits.requestsPerAddress, total: limits.requests }),
    onRefused: refusals.note,
    onAnswered: (request) => {
      metrics.observeRequest(request);
      services.activity.answered(request.surface);
      logRequest(log, request);
    },
  });
  const turns = new ResponseTurns(front, { sendTimeout: limits.sendTimeout, onRefused: refusals.note });
  opened.onClose('the turns of responses', () => turns.close());
  services.activity.watch(() => turns.size);
  const { access, operations } = services;
  const events = new Events({ access, operations, onRefused: refusals.note });
  opened.onClose('the events', () => events.close());
  metrics.watch('headwater_registry_listeners', 'Clients that listen to events.', () => events.size);
  metrics.watch('headwater_http_requests_under_way', 'Requests that are being handled.', () => turns.size);
  return {
    handle: turns.take,
    upgrade: (request, socket, head) => {
      // It would be answered in the middle of a response.
      if (turns.isBusy(request.socket)) socket.destroy();
      else void events.upgrade(request, socket, head);
    },
    isBusy: (socket) => turns.isBusy(socket),
    drain: () => events.drain(),
  };
}

function composeLxc({ foundation, services, config }: Composition): LxcSurface | undefined {
  if (!config.lxc.enabled) return undefined;
  const { signing, workspace } = foundation;
  const index = new LxcIndex(workspace.catalog.generated, foundation.documents);
  const read = (digest: Digest) => services.imageBytes.read(digest);
  return new LxcSurface(index, signing?.armored(read));
}

function composeApplication(
  composition: Composition,
  documents: DocumentsHandler,
  opened: Resources,
): ReturnType<typeof createApplication> {
  const { foundation, services, port, config, definitions } = composition;
  const { metrics, refusals, workspace, signing } = foundation;
  const { catalog, store, destination } = workspace;
  const { access, operations, imageBytes } = services;
  const sinks: ErrorSinks = {
    onDefect: services.onDefect,
    noteRefusal: (error, request) => refusals.noteError(error, clientAddress(request), senderOf(request)),
  };
  const api = createApi({
    ...services,
    ...{ catalog, destination },
    bundles: new BundleStreams({
      ...{ config, images: imageBytes, onDemand: services.onDemand },
      sign: signing === undefined ? undefined : (bytes) => signing.signBundle(bytes),
    }),
    storeReport: () => storeReport(workspace, foundation.watch.problem),
    pushedTo: config.registry.stream,
    configuredStreams: streamsOf(config, definitions),
    joinToken: (token, secret) =>
      encodeJoinToken(token, {
        secret,
        fingerprint: port.certificate?.fingerprint,
        addresses: port.addresses(),
      }),
  });
  const registry = createRegistry(
    {
      ...services,
      ...{ catalog, access, operations },
      enrollment: new Enrollment({ sharedSecret: config.joinSecret, pushedTo: config.registry.stream }),
      information: {
        name: services.serverName,
        version,
        addresses: port.addresses,
        certificate: () => port.certificate,
      },
      uploadLimit: config.limits.uploadSize,
      pulls: new PullPolicy({
        from: config.registry.pullFrom,
        ours: new OwnAddresses(config, port.listener),
      }),
    },
    sinks,
  );
  const served = config.lxc.enabled ? generatedKinds : [];
  const files = { products: catalog.products, generated: { files: catalog.generated, served } };
  const redirectToStore = config.storage.type === 's3' && config.storage.redirect;
  const oci = config.oci.enabled ? composeOci(composition, { sinks, redirectToStore }, opened) : undefined;
  const sums = new ChecksumDocuments(foundation.signing);
  const systemd = config.systemd.enabled ? new SystemdSurface(files, sums) : undefined;
  return createApplication({
    ...{ access, documents, metrics, api, registry, oci, sinks, redirectToStore },
    ...{ files, lxc: composeLxc(composition), systemd },
    images: imageBytes,
    checksums: new Checksums(files, sums),
    publicKeys: () => foundation.signing?.publicKeys,
    readiness: new Readiness(
      { store, documents: foundation.documents, reserve: catalog.reserve },
      {
        damage: () => catalog.knownDamage,
        notice: () => foundation.signingNotice() ?? lostNotice(services.scrub),
      },
    ),
    visible: () => foundation.documents.visible(),
    plainIsLimited: config.tls !== 'off',
  });
}

function lostNotice({ lost }: Services['scrub']): string | undefined {
  return lost === 0
    ? undefined
    : `${lost} blobs are damaged or missing in the blob store: "headwater verify" names them`;
}
