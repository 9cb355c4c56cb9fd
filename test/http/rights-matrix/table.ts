import type { Names } from './world.ts';

/**
 * What a route demands: to see the thing that is named; an action for it; to be let in; to be an administrator; to be the
 * owner of an operation or client (administrators may, too).
 */
type Needs = 'nothing' | 'see' | 'publish' | 'remove' | 'known' | 'admin' | 'owner';

export interface Entry {
  needs: Needs;
  /** The path for names; that of the route when left out. */
  path?: (names: Names) => string;
  body?: (names: Names) => unknown;
  /**
   * What is answered to those who may. Requests that would change something have a body that is refused for its own sake, so
   * that one server does for all; null where what is done is for other tests.
   */
  status: number | null;
  /** The path names an alias. */
  isByAlias?: boolean;
  /** Why an answer may tell that a name is taken. */
  tellsTaken?: string;
}

const product = (names: Names) => encodeURIComponent(`${names.os}:${names.release}:amd64:default`);
const alias = (names: Names) => encodeURIComponent(names.alias);
const image =
  (rest = '') =>
  (names: Names) =>
    `/1.0/images/${names.fingerprint}${rest}`;
const operation =
  (rest = '') =>
  (names: Names) =>
    `/1.0/operations/${names.operation}${rest}`;
const api =
  (rest: string, name: (names: Names) => string, after = '') =>
  (names: Names) =>
    `/api/v1/${rest}/${name(names)}${after}`;
const certificate = (names: Names) => `/1.0/certificates/${names.client}`;
const registryAlias = (names: Names) => `/1.0/images/aliases/${alias(names)}`;
const repository = ({ stream, os }: Names) => (stream === 'images' ? os : `${stream}/${os}`);
const oci = (rest: string | ((names: Names) => string)) => (names: Names) =>
  `/v2/${repository(names)}/${typeof rest === 'string' ? rest : rest(names)}`;
const administration = (path?: string, body?: unknown): Entry => ({
  needs: 'admin',
  status: null,
  ...(path === undefined ? {} : { path: () => path }),
  ...(body === undefined ? {} : { body: () => body }),
});
const taken = 'names of aliases are unique on a server (decision 10)';

/** Every route of the routers, as they write it. */
export const routes: Record<string, Entry> = {
  'GET /': { needs: 'nothing', status: 200 },
  'GET /1.0': { needs: 'nothing', status: 200 },
  'GET /1.0/certificates': { needs: 'known', status: 200 },
  'POST /1.0/certificates': { needs: 'nothing', status: null, body: () => ({ type: 'metrics' }) },
  'GET /1.0/certificates/:fingerprint': { needs: 'owner', status: 200, path: certificate },
  'DELETE /1.0/certificates/:fingerprint': { needs: 'owner', status: null, path: certificate },
  'GET /1.0/operations': { needs: 'nothing', status: 200 },
  'GET /1.0/operations/:id': { needs: 'owner', status: 200, path: operation() },
  'GET /1.0/operations/:id/wait': { needs: 'owner', status: 200, path: operation('/wait?timeout=0') },
  'DELETE /1.0/operations/:id': { needs: 'owner', status: null, path: operation() },
  'GET /1.0/images/aliases': { needs: 'nothing', status: 200 },
  'POST /1.0/images/aliases': {
    needs: 'publish',
    status: null,
    path: () => '/1.0/images/aliases',
    body: ({ fingerprint }) => ({ name: 'zqnew/alias', target: fingerprint }),
  },
  'GET /1.0/images/aliases/*name': { needs: 'see', status: 200, path: registryAlias, isByAlias: true },
  'PUT /1.0/images/aliases/*name': { needs: 'publish', status: null, path: registryAlias, body: () => ({}) },
  'PATCH /1.0/images/aliases/*name': {
    needs: 'publish',
    status: null,
    path: registryAlias,
    body: () => ({}),
  },
  'POST /1.0/images/aliases/*name': {
    needs: 'publish',
    status: null,
    path: registryAlias,
    body: () => ({ name: 'zqnew/name' }),
  },
  'DELETE /1.0/images/aliases/*name': { needs: 'publish', status: null, path: registryAlias },
  'GET /1.0/images': { needs: 'nothing', status: 200, path: () => '/1.0/images?recursion=1' },
  'POST /1.0/images': {
    needs: 'publish',
    status: null,
    tellsTaken: taken,
    body: ({ alias: name }) => ({ aliases: [{ name }], source: { type: 'url' } }),
  },
  'GET /1.0/images/:fingerprint': { needs: 'see', status: 200, path: image() },
  'GET /1.0/images/:fingerprint/export': { needs: 'see', status: 200, path: image('/export') },
  'PUT /1.0/images/:fingerprint': { needs: 'publish', status: null, path: image(), body: () => ({}) },
  'PATCH /1.0/images/:fingerprint': { needs: 'publish', status: null, path: image(), body: () => ({}) },
  'DELETE /1.0/images/:fingerprint': { needs: 'remove', status: null, path: image() },
  'POST /1.0/images/:fingerprint/refresh': { needs: 'publish', status: null, path: image('/refresh') },
  'POST /1.0/images/:fingerprint/secret': { needs: 'see', status: null, path: image('/secret') },

  'GET /v2/': { needs: 'known', status: 200 },
  // A bearer token contains the repositories for which it is asked: those that exist, and others.
  'GET /v2/token': { needs: 'nothing', status: 200 },
  'POST /v2/token': { needs: 'nothing', status: null, body: () => ({}) },
  'GET /v2/_catalog': { needs: 'nothing', status: 200 },
  // What is pushed has no layer here, and is hidden.
  'GET /v2/*name/tags/list': { needs: 'see', status: null, path: oci('tags/list') },
  'GET /v2/*name/manifests/:reference': {
    needs: 'see',
    status: null,
    path: oci(({ release }) => `manifests/${release}`),
  },
  'GET /v2/*name/blobs/:digest': {
    needs: 'see',
    status: null,
    path: oci(({ digest }) => `blobs/sha256:${digest}`),
  },
  'POST /v2/*name/blobs/uploads/': { needs: 'publish', status: null, path: oci('blobs/uploads/') },
  'GET /v2/*name/blobs/uploads/:upload': { needs: 'publish', status: null, path: oci('blobs/uploads/1') },
  'PATCH /v2/*name/blobs/uploads/:upload': { needs: 'publish', status: null, path: oci('blobs/uploads/1') },
  'PUT /v2/*name/blobs/uploads/:upload': {
    needs: 'publish',
    status: null,
    path: oci(({ digest }) => `blobs/uploads/1?digest=sha256:${digest}`),
  },
  'DELETE /v2/*name/blobs/uploads/:upload': { needs: 'publish', status: null, path: oci('blobs/uploads/1') },
  'PUT /v2/*name/manifests/:reference': {
    needs: 'publish',
    status: null,
    path: oci(({ release }) => `manifests/${release}`),
    body: () => ({}),
  },
  'GET /v2/*name/referrers/:digest': {
    needs: 'see',
    status: null,
    path: oci(({ digest }) => `referrers/sha256:${digest}`),
  },

  'GET /api/v1/openapi.json': { needs: 'nothing', status: 200 },
  'GET /api/v1/streams': { needs: 'nothing', status: 200 },
  'GET /api/v1/products': {
    needs: 'nothing',
    status: 200,
    path: (n) => `/api/v1/products?alias=${alias(n)}`,
  },
  'GET /api/v1/products/:product': { needs: 'see', status: 200, path: api('products', product) },
  'GET /api/v1/images/:fingerprint': {
    needs: 'nothing',
    status: 200,
    path: api('images', ({ fingerprint }) => fingerprint),
  },
  'HEAD /api/v1/blobs/:digest': {
    needs: 'publish',
    status: null,
    path: api('blobs', (n) => `sha256:${n.digest}`),
  },
  'PUT /api/v1/blobs/:digest': {
    needs: 'publish',
    status: null,
    path: api('blobs', (n) => `sha256:${n.digest}`),
    body: () => 'other bytes',
  },
  'POST /api/v1/versions': {
    needs: 'publish',
    status: null,
    body: (n) => ({ files: [{ digest: `sha256:${n.digest}` }], stream: n.stream, os: n.os }),
  },
  'DELETE /api/v1/products/:product/versions/:serial': {
    needs: 'remove',
    status: null,
    path: (n) => `/api/v1/products/${product(n)}/versions/${n.serial}`,
  },
  'GET /api/v1/aliases': { needs: 'nothing', status: 200 },
  'PUT /api/v1/aliases/*alias': {
    needs: 'publish',
    status: null,
    tellsTaken: taken,
    path: api('aliases', alias),
    body: ({ os, release }) => ({ os, release, variant: 'default' }),
  },
  'DELETE /api/v1/aliases/*alias': { needs: 'publish', status: null, path: api('aliases', alias) },
  'GET /api/v1/mirrors': administration(),
  'GET /api/v1/mirrors/:mirror': administration('/api/v1/mirrors/zqmirror'),
  'POST /api/v1/mirrors/:mirror/runs': administration('/api/v1/mirrors/zqmirror/runs'),
  'POST /api/v1/mirrors/:mirror/bundle': administration('/api/v1/mirrors/zqmirror/bundle'),
  'GET /api/v1/tokens': administration(),
  'POST /api/v1/tokens': administration(undefined, { name: 'zqfresh', role: 'admin' }),
  'DELETE /api/v1/tokens/:token': administration('/api/v1/tokens/zqtokenb'),
  'GET /api/v1/clients': administration(),
  'DELETE /api/v1/clients/:client': administration('/api/v1/clients/zqclientb'),
  'GET /api/v1/audit': administration(),
  'GET /api/v1/storage': administration(),
  'GET /api/v1/storage/scrub': administration(),
  'POST /api/v1/storage/scrub': administration(),
  'POST /api/v1/bundles/:site': administration('/api/v1/bundles/vault-7'),
};
/** What the application answers without a router. */
export const fixed: Record<string, Entry> = {
  'GET /healthz': { needs: 'nothing', status: 200 },
  'GET /readyz': { needs: 'nothing', status: 200 },
  'GET /metrics': { needs: 'nothing', status: 200 },
  'GET /streams/v1/index.json': { needs: 'nothing', status: 200 },
  'GET /streams/v1/STREAM.json': { needs: 'see', status: null, path: (n) => `/streams/v1/${n.stream}.json` },
  'GET /keys/headwater.gpg': { needs: 'nothing', status: 200 },
  'GET /keys/headwater.asc': { needs: 'nothing', status: 200 },
  'GET /streams/v1/index.sjson': { needs: 'nothing', status: 200 },
  'GET /streams/v1/index.json.gpg': { needs: 'nothing', status: 200 },
  'GET /streams/v1/STREAM.sjson': {
    needs: 'see',
    status: null,
    path: (n) => `/streams/v1/${n.stream}.sjson`,
  },
  'GET /streams/v1/STREAM.json.gpg': {
    needs: 'see',
    status: null,
    path: (n) => `/streams/v1/${n.stream}.json.gpg`,
  },
  'GET /pks/lookup': { needs: 'nothing', status: 404 },
  'GET /meta/1.0/index-system': { needs: 'nothing', status: 200 },
  'GET /meta/1.0/index-user.7.asc': { needs: 'nothing', status: 200 },
  'GET /images/meta.tar.xz': {
    needs: 'see',
    status: null,
    path: (n) => `/images/${n.os}/${n.release}/amd64/default/${n.serial}/meta.tar.xz`,
  },
  'GET /images/rootfs.tar.xz.asc': {
    needs: 'see',
    status: null,
    path: (n) => `/images/${n.os}/${n.release}/amd64/default/${n.serial}/rootfs.tar.xz.asc`,
  },
  'GET /sysupdate/SHA256SUMS': {
    needs: 'see',
    status: null,
    path: (n) => `/sysupdate/${n.os}/${n.release}/amd64/default/SHA256SUMS`,
  },
  'GET /sysupdate/SHA256SUMS.gpg': {
    needs: 'see',
    status: null,
    path: (n) => `/sysupdate/${n.os}/${n.release}/amd64/default/SHA256SUMS.gpg`,
  },
  'GET /sysupdate/FILE': {
    needs: 'see',
    status: null,
    path: (n) =>
      `/sysupdate/${n.os}/${n.release}/amd64/default/${n.os}-${n.release}-amd64-default_${n.serial}.rootfs.squashfs`,
  },
  'GET /images/FILE.sha256': {
    needs: 'see',
    status: null,
    path: (n) => `/images/${n.os}/${n.release}/amd64/default/${n.serial}/rootfs.squashfs.sha256`,
  },
  'GET /images/SHA256SUMS': {
    needs: 'see',
    status: null,
    path: (n) => `/images/${n.os}/${n.release}/amd64/default/${n.serial}/SHA256SUMS`,
  },
  'GET /images/SHA256SUMS.gpg': {
    needs: 'see',
    status: null,
    path: (n) => `/images/${n.os}/${n.release}/amd64/default/${n.serial}/SHA256SUMS.gpg`,
  },
  'GET /images/FILE': {
    needs: 'see',
    status: null,
    path: (n) => `/images/${n.os}/${n.release}/amd64/default/${n.serial}/rootfs.squashfs`,
  },
};
