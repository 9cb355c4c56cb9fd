import * as z from 'zod';
import { aliasBody, runBody, tokenBody, versionBody } from './schemas.ts';

/** One operation, as short as it can be said. */
interface Operation {
  summary: string;
  /** The action that the token must allow; none for reading what is public. */
  action?: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: z.ZodType;
  bytes?: boolean;
  answers: Record<number, string>;
}

const parameters: Record<string, string> = {
  product: 'The name of a product: `os:release:architecture:variant`.',
  serial: 'The serial of a version: `YYYYMMDD_HHMM`.',
  fingerprint: 'The first 6 to 64 digits of the fingerprint of an image.',
  digest: '`sha256:` and 64 hexadecimal digits.',
  mirror: 'The name of a mirror.',
  alias: 'An alias; its slashes are written as `%2F`.',
  token: 'The id or the name of a token.',
  client: 'The id, the name or 12 digits or more of the fingerprint of a client.',
};

const filterParameters = {
  stream: 'Only this stream.',
  os: 'Only this os.',
  release: 'Only this release.',
  architecture: 'Only this architecture, by its Debian name.',
  variant: 'Only this variant.',
};

const operations: Record<string, Operation> = {
  'GET /openapi.json': { summary: 'This document.', answers: { 200: 'The document.' } },
  'GET /streams': { summary: 'The streams.', answers: { 200: 'Their names, and whether they are public.' } },
  'GET /products': {
    summary: 'Products with their versions, in the order of their names, a page at a time.',
    query: {
      ...filterParameters,
      alias: 'Only the products that this alias leads to, one for each architecture.',
      after: 'Only products whose name is greater: `next` of the page before.',
      limit: 'Products on a page: 1 to 500.',
    },
    answers: { 200: 'A page; `next` is there when more follow.' },
  },
  'GET /products/{product}': {
    summary: 'A product with its versions.',
    answers: { 200: 'The product.', 404: 'There is none.' },
  },
  'GET /images/{fingerprint}': {
    summary: 'The images whose fingerprint begins with these digits, 100 at most.',
    answers: { 200: 'Where they are: product, serial, fingerprint.', 422: 'No digits.' },
  },
  'HEAD /blobs/{digest}': {
    summary: 'Whether a blob is here.',
    action: 'publish',
    answers: {
      200: 'It is; `Blob-Size` has its bytes.',
      404: 'It is not; an upload goes on at `Upload-Offset`.',
    },
  },
  'PUT /blobs/{digest}': {
    summary: 'Uploads a blob, or the rest of one whose upload broke.',
    action: 'publish',
    query: {
      metadata: 'The digest of the metadata tarball that the blob is a root of: saves reading it twice.',
    },
    headers: { 'Content-Range': '`bytes FIRST-LAST/TOTAL`, up to the last byte, to go on at FIRST.' },
    bytes: true,
    answers: {
      200: 'It was here already.',
      201: 'It is kept.',
      409: 'The upload goes on elsewhere (at `Upload-Offset`), or another request uploads the blob now.',
      413: 'Too large.',
      422: 'The bytes are not the announced ones, or are no image file.',
      507: 'The disk or the bucket is full.',
    },
  },
  'POST /versions': {
    summary: 'Publishes a version made of uploaded blobs.',
    action: 'publish',
    body: versionBody,
    answers: {
      200: 'The same version was there already.',
      201: 'Published.',
      404: 'A blob is not here.',
      409: 'The serial has other files, or the product or an alias belongs to another.',
      422: 'A field is wrong, or the files make no version.',
    },
  },
  'DELETE /products/{product}/versions/{serial}': {
    summary: 'Takes a version out of the documents; its files stay fetchable for the grace period.',
    action: 'remove',
    answers: { 204: 'Removed.', 404: 'There is none.' },
  },
  'GET /aliases': { summary: 'The aliases and what they lead to.', answers: { 200: 'The aliases.' } },
  'PUT /aliases/{alias}': {
    summary: 'Makes an alias lead to a family of products, from wherever it led before.',
    action: 'publish',
    body: aliasBody,
    answers: { 204: 'Done.', 404: 'There is no such product.', 409: 'It leads to another owner.' },
  },
  'DELETE /aliases/{alias}': {
    summary: 'Takes an alias away.',
    action: 'publish',
    answers: { 204: 'Done.', 404: 'There is none.' },
  },
  'GET /mirrors': {
    summary: 'How the mirrors are doing: last run, last success and its age, next run, stale or not.',
    action: 'admin',
    answers: { 200: 'The mirrors.' },
  },
  'GET /mirrors/{mirror}': {
    summary: 'How a mirror is doing, with its last runs.',
    action: 'admin',
    answers: { 200: 'The mirror.', 404: 'There is none.' },
  },
  'POST /mirrors/{mirror}/runs': {
    summary: 'Starts a run of a mirror and does not wait for it.',
    action: 'admin',
    body: runBody,
    answers: {
      202: 'It begins.',
      404: 'There is none.',
      409: 'It is running already, or is not enabled.',
      422: 'A field is wrong.',
    },
  },
  'GET /tokens': {
    summary: 'The tokens, without their secrets.',
    action: 'admin',
    answers: { 200: 'The tokens.' },
  },
  'POST /tokens': {
    summary:
      'Makes a token. Its secret is shown this once; to join, it is what `lxc remote add` and `incus remote add` take.',
    action: 'admin',
    body: tokenBody,
    answers: { 201: 'The token and its secret.', 409: 'The name is taken.', 422: 'A field is wrong.' },
  },
  'DELETE /tokens/{token}': {
    summary: 'Revokes a token.',
    action: 'admin',
    answers: { 204: 'Revoked.', 404: 'There is none in force.' },
  },
  'GET /clients': {
    summary: 'The clients of LXD and Incus that have joined, those that were revoked included.',
    action: 'admin',
    answers: { 200: 'The clients.' },
  },
  'DELETE /clients/{client}': {
    summary: 'Revokes a client.',
    action: 'admin',
    answers: { 204: 'Revoked.', 404: 'There is none in force.', 409: 'It names several.' },
  },
  'GET /audit': {
    summary: 'Who changed what, from where and when, the newest first, a page at a time.',
    action: 'admin',
    query: {
      since: 'Only from this time on.',
      who: 'Only by them: `token:NAME`, `client:NAME` or `local:USER`.',
      before: 'Only entries with a smaller id: `next` of the page before.',
      limit: 'Entries on a page: 1 to 500.',
    },
    answers: { 200: 'A page; `next` is there when more follow.', 422: 'A parameter is wrong.' },
  },
};

/** The API, described (https://spec.openapis.org/oas/v3.1.0). */
export function describeApi() {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [key, operation] of Object.entries(operations)) {
    const [method = '', path = ''] = key.split(' ');
    const entry = paths[path] ?? {};
    entry[method.toLowerCase()] = describe(path, operation);
    paths[path] = entry;
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Headwater',
      version: '1',
      description: 'Publish and manage images of system containers.',
    },
    servers: [{ url: '/api/v1' }],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: {
        Error: z.toJSONSchema(z.object({ error: z.object({ kind: z.string(), message: z.string() }) })),
      },
    },
  };
}

function describe(path: string, operation: Operation) {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const parameter =
    (place: string, required: boolean) =>
    ([name, description]: [string, string]) => ({
      name,
      in: place,
      required,
      description,
      schema: { type: 'string' },
    });
  const body =
    operation.body === undefined
      ? operation.bytes === true
        ? { 'application/octet-stream': {} }
        : undefined
      : { 'application/json': { schema: z.toJSONSchema(operation.body) } };
  const all = {
    ...operation.answers,
    ...(operation.action === undefined
      ? {}
      : { 401: 'No valid token.', 403: `The token does not allow "${operation.action}".` }),
  };
  return {
    summary: operation.summary,
    parameters: [
      ...names.map((name) => parameter('path', true)([name, parameters[name] ?? ''])),
      ...Object.entries(operation.query ?? {}).map(parameter('query', false)),
      ...Object.entries(operation.headers ?? {}).map(parameter('header', false)),
    ],
    ...(operation.action === undefined ? { security: [{}, { token: [] }] } : { security: [{ token: [] }] }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: !mayBeLeftOut(operation.body), content: body } }),
    responses: Object.fromEntries(
      Object.entries(all).map(([status, description]) => [
        status,
        {
          description,
          ...(Number(status) < 400
            ? {}
            : { content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } }),
        },
      ]),
    ),
  };
}

function mayBeLeftOut(body: z.ZodType | undefined): boolean {
  return body?.safeParse(undefined).success === true;
}
