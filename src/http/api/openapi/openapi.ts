import * as z from 'zod';
import { adminOperations } from './admin-operations.ts';
import { imageOperations } from './image-operations.ts';
import { answerSchema, describeOperation, type Operation } from './openapi-operation.ts';

export const errorAnswer = z.strictObject({
  error: z.strictObject({
    kind: z.string().meta({ description: 'The kind of the error, for programs: `not-found`, `conflict`, …' }),
    message: z.string().meta({ description: 'The error for people: what was wrong and what to do.' }),
    fields: z.array(z.string()).exactOptional().meta({
      description: 'The fields of the body or the parameters that caused the error, if any.',
    }),
  }),
});

const documentAnswer = z.looseObject({
  openapi: z.string(),
  paths: z.record(z.string(), z.unknown()),
});

/** Every operation, by its method and its path below `/api/v1`. */
export const operations: Record<string, Operation> = {
  'GET /openapi.json': {
    summary: 'This document.',
    answers: { 200: { description: 'The document.', body: documentAnswer } },
  },
  ...imageOperations,
  ...adminOperations,
};

/** The API, described (https://spec.openapis.org/oas/v3.1.0). */
export function describeApi() {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [key, operation] of Object.entries(operations)) {
    const [method = '', path = ''] = key.split(' ');
    const entry = paths[path] ?? {};
    entry[method.toLowerCase()] = describeOperation(method, path, operation);
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
        Error: answerSchema(errorAnswer),
      },
    },
  };
}
