import * as z from 'zod';
import { actions } from '../../model/rights.ts';

// The bodies that the API takes: routes check requests with them, and the OpenAPI document shows them.

const text = z.string().max(1000);

const createStream = z
  .boolean()
  .exactOptional()
  .meta({ description: 'Create the stream if it does not exist.' });

export const versionBody = z
  .strictObject({
    files: z
      .array(z.strictObject({ digest: text, name: text.optional() }))
      .min(1)
      .max(16)
      .meta({ description: 'Blobs that were uploaded before. The name is what messages call the file.' }),
    os: text.optional(),
    release: text.optional(),
    architecture: text.optional(),
    variant: text.optional(),
    serial: text.optional().meta({ description: 'YYYYMMDD_HHMM, in UTC' }),
    stream: text.optional(),
    createStream,
    title: text.optional(),
    label: text.optional(),
    eol: text.optional().meta({ description: 'YYYY-MM-DD' }),
    aliases: z.array(text).max(100).optional(),
    requirements: z.record(z.string(), z.string()).optional(),
    osTitle: text.optional(),
  })
  .meta({ description: 'A version. What is left out comes from metadata.yaml.' });

export const aliasBody = z
  .strictObject({
    os: text,
    release: text,
    variant: text,
    stream: text.exactOptional().meta({ description: 'Needed where several streams have such products.' }),
  })
  .meta({ description: 'What the alias leads to: the products of this os, release and variant.' });

export const runBody = z
  .strictObject({
    force: z
      .boolean()
      .exactOptional()
      .meta({ description: 'Read everything anew, and do without maxShrink.' }),
  })
  .optional()
  .meta({ description: 'How to run the mirror; may be left out.' });

export const tokenBody = z
  .strictObject({
    name: z.string().min(1).max(100),
    purpose: z.enum(['api', 'join']).default('api').meta({
      description: 'api: a bearer token. join: a client joins with it, once, and is trusted from then on.',
    }),
    role: z.enum(['read', 'publish', 'admin']).exactOptional(),
    actions: z.array(z.enum(actions)).min(1).exactOptional(),
    streams: z.array(text).min(1).exactOptional().meta({ description: 'The streams it is for.' }),
    createStream,
    names: z.array(text).min(1).max(100).exactOptional().meta({
      description: 'Patterns of the aliases and products it is for, with * and ?; all when left out.',
    }),
    expiresAt: z.iso.datetime().exactOptional(),
  })
  .meta({
    description:
      'A token. What it allows is said by its role or its actions; when neither is, read and publish in all streams, or for a client that joins, the role publish in the stream for pushed images.',
  });
