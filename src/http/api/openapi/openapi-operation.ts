import * as z from 'zod';
import { defined } from '../../../model/defined.ts';

/** One operation, as short as it can be said. */
export interface Operation {
  summary: string;
  /** The action that the token must allow; none for reading what is public. */
  action?: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: z.ZodType;
  bytes?: boolean;
  /** By status; those that every operation of its kind may give are added. */
  answers: Record<number, string | Answer>;
}

/** An answer that has more than a status. */
export interface Answer {
  description: string;
  /** Of a JSON body; that of an error is the same everywhere. */
  body?: z.ZodType;
  /** The media type of a body of bytes. */
  type?: string;
  /** Headers of {@link headers}. */
  headers?: (keyof typeof headers)[];
}

const headers = {
  'Blob-Size': 'The size of the blob, in bytes.',
  'Upload-Offset': 'How many bytes of the blob have arrived: the offset at which the upload resumes.',
  Location: 'The URL of what was created or started, relative to the request.',
  'Retry-After': 'Seconds to wait before another attempt.',
  'WWW-Authenticate': 'How to authenticate.',
  'X-Request-Id': 'The id of the request, as in the log.',
};

const parameters: Record<string, string> = {
  product: 'The name of a product: `os:release:architecture:variant`.',
  serial: 'The serial of a version: `YYYYMMDD_HHMM`.',
  fingerprint: 'The first 6 to 64 digits of the fingerprint of an image.',
  digest: '`sha256:` and 64 hexadecimal digits.',
  mirror: 'The name of a mirror.',
  site: 'The name of a site without a network.',
  alias: 'An alias; its slashes are written as `%2F`.',
  token: 'The id or the name of a token.',
  client: 'The id, the name or 12 digits or more of the fingerprint of a client.',
};

/** What an operation answers, by status, with what any of its kind may answer. */
export function answersOf(method: string, operation: Operation): Map<number, Answer> {
  const { action, body, answers } = operation;
  const sendsBody = body !== undefined || operation.bytes === true;
  const all: Operation['answers'] = {
    ...(sendsBody ? { 400: 'The body ended early.', 413: 'The body is too large.' } : {}),
    401: {
      description: action === undefined ? 'The token in the request is not valid.' : 'No valid token.',
      headers: ['WWW-Authenticate'],
    },
    ...(action === undefined
      ? {}
      : { 403: `The token does not allow "${action}", or does not allow it for this object.` }),
    500: 'A defect of the server; its log has the cause.',
    503: { description: 'The store cannot be reached at the moment.', headers: ['Retry-After'] },
    ...(method === 'GET' || method === 'HEAD' ? {} : { 507: 'The disk or the bucket is full.' }),
    ...answers,
  };
  return new Map(
    Object.entries(all).map(([status, answer]) => [
      Number(status),
      typeof answer === 'string' ? { description: answer } : answer,
    ]),
  );
}

/** An operation as OpenAPI says it (https://spec.openapis.org/oas/v3.1.0#operation-object). */
export function describeOperation(method: string, path: string, operation: Operation) {
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
      : json(z.toJSONSchema(operation.body));
  return {
    summary: operation.summary,
    parameters: [
      ...names.map((name) => parameter('path', true)([name, parameters[name] ?? ''])),
      ...Object.entries(operation.query ?? {}).map(parameter('query', false)),
      ...Object.entries(operation.headers ?? {}).map(parameter('header', false)),
    ],
    security: operation.action === undefined ? [{}, { token: [] }] : [{ token: [] }],
    ...(body === undefined
      ? {}
      : { requestBody: { required: !mayBeLeftOut(operation.body), content: body } }),
    responses: Object.fromEntries(
      [...answersOf(method, operation)].map(([status, answer]) => [
        status,
        describeAnswer(method, status, answer),
      ]),
    ),
  };
}

/** A body as JSON schema. Fields may be added to answers in later versions: clients pass over those they do not know. */
export function answerSchema(body: z.ZodType) {
  return z.toJSONSchema(body, {
    override: ({ jsonSchema }) => {
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
}

function describeAnswer(
  method: string,
  status: number,
  { description, body, type, headers: own = [] }: Answer,
) {
  const content =
    method === 'HEAD'
      ? undefined
      : status >= 400
        ? json({ $ref: '#/components/schemas/Error' })
        : type !== undefined
          ? { [type]: {} }
          : body === undefined
            ? undefined
            : json(answerSchema(body));
  return {
    description,
    headers: Object.fromEntries(
      ([...own, 'X-Request-Id'] as const).map((name) => [
        name,
        { description: headers[name], schema: { type: 'string' } },
      ]),
    ),
    ...defined({ content }),
  };
}

function mayBeLeftOut(body: z.ZodType | undefined): boolean {
  return body?.safeParse(undefined).success === true;
}

function json(schema: object) {
  return { 'application/json': { schema } };
}
