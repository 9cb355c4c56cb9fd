import { createHash } from 'node:crypto';

/** Answers to requests, as a checker needs them. */
export type Ask = (
  method: string,
  path: string,
  headers?: Record<string, string>,
) => Promise<{ status: number; headers: Record<string, string>; body: Buffer }>;

/** What exists in a repository. */
export interface Subject {
  repository: string;
  tag: string;
}

/** A rule of the specification that an answer breaks. */
export type Violation = string;

interface Descriptor {
  digest: string;
  size: number;
}

const sha256 = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const absent = `sha256:${'0'.repeat(64)}`;
const tagName = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

function parse<Shape extends object>(body: Buffer): Partial<Shape> {
  try {
    return JSON.parse(body.toString()) as Shape;
  } catch {
    return {};
  }
}

/**
 * Checks the rules of the OCI Distribution Specification 1.1 for clients that pull, and those of content discovery, with
 * a repository that has a tag. Each rule is named by a sentence of the specification.
 * @param ask sends requests, with the right to pull
 */
export async function checkPull(ask: Ask, { repository, tag }: Subject): Promise<Violation[]> {
  const violations: Violation[] = [];
  const rule = (sentence: string, holds: boolean, found: unknown) => {
    if (!holds) violations.push(`${sentence} (found ${JSON.stringify(found)})`);
  };
  const base = `/v2/${repository}`;

  const support = await ask('GET', '/v2/');
  rule(
    'end-1: the endpoint returns 200 where the specification is implemented',
    support.status === 200,
    support.status,
  );

  const documents = new Map<string, Buffer>();
  const blobs: Descriptor[] = [];
  const visit = async (reference: string): Promise<void> => {
    const { status, headers, body } = await ask('GET', `${base}/manifests/${reference}`);
    rule('a GET request to an existing manifest URL MUST return 200 OK', status === 200, status);
    if (status !== 200) return;
    const digest = sha256(body);
    const isDigest = reference.startsWith('sha256:');
    rule(
      'the response body MUST be the manifest with the requested digest',
      !isDigest || digest === reference,
      digest,
    );
    const given = headers['docker-content-digest'];
    rule(
      'the Docker-Content-Digest header, when the request has a digest, MUST be the digest of the response body',
      given === digest,
      given,
    );
    const content = JSON.parse(body.toString()) as {
      mediaType?: string;
      manifests?: Descriptor[];
      config?: Descriptor;
      layers?: Descriptor[];
    };
    const type = headers['content-type'];
    rule(
      'the Content-Type header MUST match what the client pushed as the media type',
      type === content.mediaType,
      type,
    );
    const head = await ask('HEAD', `${base}/manifests/${reference}`);
    rule('a HEAD request to an existing manifest URL MUST return 200 OK', head.status === 200, head.status);
    rule(
      'a successful HEAD response SHOULD contain the size in bytes of the manifest in the header Content-Length',
      head.headers['content-length'] === String(body.length),
      head.headers['content-length'],
    );
    rule('HEAD has no body', head.body.length === 0, head.body.length);
    documents.set(digest, body);
    for (const each of content.manifests ?? []) {
      await visit(each.digest);
      const size = documents.get(each.digest)?.length;
      rule('a descriptor has the size of its content', size === each.size, size);
    }
    blobs.push(...(content.config === undefined ? [] : [content.config]), ...(content.layers ?? []));
  };
  await visit(tag);

  rule('there is a blob to pull', blobs.length > 0, blobs.length);
  for (const { digest, size } of blobs) {
    const path = `${base}/blobs/${digest}`;
    const { status, headers, body } = await ask('GET', path);
    rule('a GET request to an existing blob URL MUST return 200 OK', status === 200, status);
    rule(
      'the response body MUST be the blob with the requested digest',
      sha256(body) === digest,
      sha256(body),
    );
    rule('a descriptor has the size of its content', body.length === size, body.length);
    const given = headers['docker-content-digest'];
    rule(
      'Docker-Content-Digest MUST match the digest of the response body',
      given === undefined || given === digest,
      given,
    );
    const head = await ask('HEAD', path);
    rule('a HEAD request to an existing blob URL MUST return 200 OK', head.status === 200, head.status);
    const length = head.headers['content-length'];
    rule(
      'a HEAD response SHOULD contain the size of the blob in the header Content-Length',
      length === String(size),
      length,
    );
    const part = await ask('GET', path, { range: 'bytes=1-4' });
    const isPart =
      part.status === 206 &&
      part.headers['content-range'] === `bytes 1-4/${size}` &&
      part.body.equals(body.subarray(1, 5));
    rule(
      'a registry SHOULD support the Range request header (RFC 9110)',
      isPart || part.status === 200,
      part.status,
    );
  }

  for (const [path, codes] of [
    [`${base}/manifests/sha256:${'0'.repeat(64)}`, ['MANIFEST_UNKNOWN']],
    [`${base}/manifests/no-such-tag`, ['MANIFEST_UNKNOWN']],
    [`${base}/blobs/${absent}`, ['BLOB_UNKNOWN']],
    ['/v2/no/such/repository/tags/list', ['NAME_UNKNOWN']],
  ] as const) {
    const { status, body } = await ask('GET', path);
    rule(
      'if it is not found in the repository, the response code MUST be 404 Not Found',
      status === 404,
      status,
    );
    const { errors } = parse<{ errors?: { code: string }[] }>(body);
    const found = errors?.map(({ code }) => code);
    rule(
      'the code field MUST be a unique identifier, containing only uppercase alphabetic characters and underscores',
      found?.every((code) => /^[A-Z_]+$/.test(code)) === true,
      found,
    );
    rule(
      'the code is that of the table "Error Codes"',
      JSON.stringify(found) === JSON.stringify(codes),
      found,
    );
  }

  const list = async (query = '') => {
    const { status, headers, body } = await ask('GET', `${base}/tags/list${query}`);
    const content = JSON.parse(body.toString()) as { name: string; tags: string[] };
    return { status, link: headers['link'], ...content };
  };
  const all = await list();
  rule('upon success, the response MUST be a json body, with 200 OK', all.status === 200, all.status);
  rule('<name> is the namespace of the repository', all.name === repository, all.name);
  rule('the tags are those of the repository', all.tags.includes(tag), all.tags);
  rule(
    'a tag MUST match the regular expression of tags',
    all.tags.every((each) => tagName.test(each)),
    all.tags,
  );
  rule(
    'the tags MUST be in lexical order',
    JSON.stringify(all.tags) === JSON.stringify([...all.tags].sort()),
    all.tags,
  );
  const none = await list('?n=0');
  rule(
    'when n is zero, this endpoint MUST return an empty list, and MUST NOT include a Link header',
    none.tags.length === 0 && none.link === undefined,
    none,
  );
  const first = await list('?n=1');
  rule('the list MUST NOT include more than <int> tags', first.tags.length <= 1, first.tags);
  const more = all.tags.length > 1;
  rule(
    'a Link header is in the response if there are more tags than requested',
    (first.link !== undefined) === more,
    first.link,
  );
  rule(
    'a Link header has the relation type next',
    first.link === undefined || /^<\S+>; *rel="next"$/.test(first.link),
    first.link,
  );
  const last = all.tags[0] ?? '';
  const rest = await list(`?last=${encodeURIComponent(last)}`);
  rule(
    'the response begins non-inclusively after <last>',
    JSON.stringify(rest.tags) === JSON.stringify(all.tags.slice(1)),
    rest.tags,
  );

  for (const digest of [absent, ...documents.keys()]) {
    const { status, headers, body } = await ask('GET', `${base}/referrers/${digest}`);
    rule(
      'upon success, referrers MUST be 200 OK; a registry that supports it MUST NOT return 404',
      status === 200,
      status,
    );
    const type = headers['content-type'];
    rule('referrers MUST be an image index', type === 'application/vnd.oci.image.index.v1+json', type);
    const { schemaVersion, manifests } = JSON.parse(body.toString()) as {
      schemaVersion: number;
      manifests: unknown[];
    };
    rule(
      'a response with no matches MUST have an empty manifests list',
      schemaVersion === 2 && manifests.length === 0,
      manifests,
    );
  }
  const bad = await ask('GET', `${base}/referrers/no-digest`);
  rule(
    'if the request is invalid, such as a digest with an invalid syntax, a 400 Bad Request MUST be returned',
    bad.status === 400,
    bad.status,
  );
  return violations;
}
