import type { RequestListener } from 'node:http';
import Koa, { type Context, type Middleware } from 'koa';
import type { Access } from '../access/access.ts';
import { HeadwaterError, isKind } from '../errors.ts';
import { defined } from '../model/defined.ts';
import type { Metrics } from '../ops/metrics.ts';
import type { RequestState, Routes } from './context.ts';
import { answerPreflight, answerWithDocument, answerWithKeys, mayReadFile } from './documents/answers.ts';
import type { Checksums } from './documents/checksums.ts';
import type { DocumentsHandler } from './documents/documents-handler.ts';
import { findImageFile, type ImageBytes, sendImageFile, type VersionFiles } from './documents/image-files.ts';
import { readableAnywhere } from './documents/send-document.ts';
import { type ErrorSinks, errorFunnel } from './errors.ts';
import { requestIdHeader } from './front.ts';
import type { Readiness } from './health.ts';
import { identify } from './identify.ts';
import { lookUpKey, type PublishedKeys } from './lxc/key-lookup.ts';
import type { LxcSurface } from './lxc/lxc-surface.ts';
import { filePath, rawPath } from './request-path.ts';
import { sendLongBody } from './send-long-body.ts';
import type { SystemdSurface } from './systemd/systemd-surface.ts';

export interface ApplicationServices {
  access: Access;
  documents: DocumentsHandler;
  checksums: Checksums;
  /** The public keys that documents are signed with; undefined for a server that does not sign. */
  publicKeys: () => (PublishedKeys & { binary: Buffer }) | undefined;
  files: VersionFiles;
  /** What LXC downloads; undefined if it is switched off. */
  lxc: LxcSurface | undefined;
  /** What systemd downloads; undefined if it is switched off. */
  systemd: SystemdSurface | undefined;
  images: ImageBytes;
  readiness: Readiness;
  metrics: Metrics;
  api: Routes;
  /** The LXD API, for LXD and Incus clients. */
  registry: Middleware;
  /** The OCI registry; undefined if it is switched off. */
  oci: Middleware | undefined;
  /** Plain HTTP serves image files of public streams and redirects everything else to https. */
  plainIsLimited: boolean;
  /** Resolves when the documents show all earlier commits. */
  visible: () => Promise<void>;
  /** Redirect requests for image files to links into the store. */
  redirectToStore: boolean;
  sinks: ErrorSinks;
}

/** The koa application, without the listener. */
export function createApplication(services: ApplicationServices): RequestListener {
  const application = new Koa<RequestState>();
  // The front handles broken connections; koa must not print them past the log.
  application.silent = true;
  application.on('error', (error: Error & { code?: string }) => {
    const gone = /^(ECONNRESET|EPIPE|ERR_STREAM_PREMATURE_CLOSE|HPE_\w+)$/.test(error.code ?? '');
    // If an upstream or a store fails in the middle of a response, its readers report the error.
    if (!gone && !(error instanceof HeadwaterError)) services.sinks.onDefect(error, '');
  });
  application.use(async (context, next) => {
    context.state.requestId = context.get(requestIdHeader);
    await next();
  });
  application.use(sendLongBody);
  application.use(errorFunnel(services.sinks));
  application.use(async (context, next) => {
    await next();
    // A client that gets the response to a change finds the change in the documents.
    if (!isSafe(context)) await services.visible();
  });
  application.use(async (context, next) => {
    if (services.plainIsLimited && !('encrypted' in context.req.socket))
      await plainRequest(services, context);
    else if (!(await readRequest(services, context))) await next();
  });
  application.use(services.registry);
  if (services.oci !== undefined) application.use(services.oci);
  application.use(services.api.routes());
  application.use(services.api.allowedMethods());
  return application.callback();
}

/** Plain HTTP on the port of TLS: clients try it first for every image file. */
async function plainRequest(services: ApplicationServices, context: Context): Promise<void> {
  const segments = filePath(context.req.url ?? '') ?? [];
  if (segments[0] === 'images' && isRead(context)) {
    const image = await findImageFile(services.files, segments.slice(1));
    if (image !== undefined && !image.hidden && services.access.isPublic(image.stream)) {
      await sendImageFile(context, image, {
        images: services.images,
        redirect: services.redirectToStore,
        shared: true,
      });
      return;
    }
  }
  const host = context.get('Host');
  if (!/^[\w.:[\]-]+$/.test(host)) {
    context.status = 400;
    context.body = 'this port speaks https\n';
    return;
  }
  context.status = 308;
  context.set('Location', `https://${host}${context.req.url}`);
  context.body = 'this port speaks https\n';
}

type Answer = (context: Context, services: ApplicationServices) => Promise<void>;

/** What is answered by its exact path, for operators and for those who fetch keys. A test holds the rights of each, too. */
export const operatorPaths = {
  '/healthz': async (context) => {
    context.body = { status: 'ok' };
  },
  '/readyz': async (context, { readiness }) => {
    const problem = await readiness.problem('write' in context.query ? 'write' : 'read');
    context.status = problem === undefined ? 200 : 503;
    context.body =
      problem === undefined
        ? { status: 'ready', ...defined({ warning: readiness.warning }) }
        : { status: 'unavailable', problem };
  },
  '/metrics': async (context, { access, metrics }) => {
    // The other metrics are needed most when the catalog cannot be read.
    const identity = await identify(access, context.req).catch((error: unknown) => {
      if (isKind(error, 'unauthorized')) throw error;
      return undefined;
    });
    const { type, body } = await metrics.text((stream) => access.mayRead(identity, { stream, names: [] }));
    context.body = body;
    context.type = type;
  },
  '/keys/headwater.gpg': async (context, { publicKeys }) => answerWithKeys(context, publicKeys()?.binary),
  '/keys/headwater.asc': async (context, { publicKeys }) => answerWithKeys(context, publicKeys()?.armored),
  // gpg asks a key server here: for LXC before 4.0.12, the server is its own.
  '/pks/lookup': async (context, { lxc, publicKeys }) =>
    answerWithKeys(context, lxc && lookUpKey(new URLSearchParams(context.querystring), publicKeys())),
} as const satisfies Record<string, Answer>;

/** The paths that simplestreams clients read, by first segment. A test checks the rights of each. */
export const fileTrees = {
  images: async (context, services) => {
    const { access, checksums, files, images, lxc, systemd, redirectToStore: redirect } = services;
    const identity = await identify(access, context.req);
    const segments = (filePath(context.req.url ?? '') ?? []).slice(1);
    const sums = checksums.isNamed(segments) ? await checksums.find(segments) : undefined;
    const signed = lxc?.signedFile(segments);
    const summed = systemd?.summedFile(segments);
    const image = sums === undefined ? await findImageFile(files, signed ?? summed ?? segments) : undefined;
    const file = sums ?? image;
    if (file === undefined) return;
    if (!mayReadFile(access, identity, file)) return;
    const shared = !file.hidden && access.isPublic(file.stream);
    if (image !== undefined && signed !== undefined)
      answerWithDocument(context, await lxc?.signature(image), shared);
    else if (image !== undefined && summed !== undefined)
      answerWithDocument(context, await systemd?.checksum(image, summed.at(-1) ?? ''), shared);
    else if (image !== undefined) await sendImageFile(context, image, { images, redirect, shared });
    else answerWithDocument(context, await sums?.document(), shared);
  },
  meta: async (context, { access, lxc }) => {
    const identity = await identify(access, context.req);
    const visible = (stream: string) => access.mayRead(identity, { stream, names: [] });
    const document = await lxc?.find(filePath(context.req.url ?? '') ?? [], visible);
    answerWithDocument(context, document, identity === undefined);
  },
  sysupdate: async (context, { access, systemd, images, redirectToStore: redirect }) => {
    const identity = await identify(access, context.req);
    const found = await systemd?.find((filePath(context.req.url ?? '') ?? []).slice(1));
    if (found === undefined) return;
    const file = 'image' in found ? found.image : found;
    if (!mayReadFile(access, identity, file)) return;
    const shared = !file.hidden && access.isPublic(file.stream);
    if ('image' in found) await sendImageFile(context, found.image, { images, redirect, shared });
    else answerWithDocument(context, await found.document(), shared);
  },
  streams: async (context, { access, documents }) => {
    const identity = await identify(access, context.req);
    const document = await documents.find((filePath(context.req.url ?? '') ?? []).join('/'), identity);
    answerWithDocument(context, document, identity === undefined);
  },
} as const satisfies Record<string, Answer>;

/** @returns whether the path is one of those answered here */
async function readRequest(services: ApplicationServices, context: Context): Promise<boolean> {
  const path = rawPath(context.req.url ?? '');
  if (isRead(context) && isKey(operatorPaths, path)) {
    await operatorPaths[path](context, services);
    return true;
  }
  const [tree] = filePath(context.req.url ?? '') ?? [];
  if (tree === undefined || !isKey(fileTrees, tree)) return false;
  // Also for errors: otherwise, a page could not distinguish them.
  context.set(readableAnywhere);
  if (context.method === 'OPTIONS') {
    answerPreflight(context);
  } else if (isRead(context)) {
    await fileTrees[tree](context, services);
  } else {
    context.set('Allow', 'GET, HEAD, OPTIONS');
    context.status = 405;
    context.body = { error: { kind: 'usage', message: `${context.path} can only be read` } };
  }
  return true;
}

function isKey<Table extends object>(table: Table, key: PropertyKey): key is keyof Table {
  return Object.hasOwn(table, key);
}

/** Whether a request changes nothing (RFC 9110, section 9.2.1). */
function isSafe(context: Context): boolean {
  return isRead(context) || context.method === 'OPTIONS';
}

function isRead(context: Context): boolean {
  return context.method === 'GET' || context.method === 'HEAD';
}
