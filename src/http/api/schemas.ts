import { z } from 'zod';
import { actions } from '../../catalog/rights.ts';

// The bodies that the API takes: routes check requests with them, and the OpenAPI document shows them.

const text = z.string().max(1000);

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
    title: text.optional(),
    label: text.optional(),
    eol: text.optional().meta({ description: 'YYYY-MM-DD' }),
    aliases: z.array(text).max(100).optional(),
    requirements: z.record(z.string(), z.string()).optional(),
    osTitle: text.optional(),
  })
  .meta({ description: 'A version. What is left out comes from metadata.yaml.' });

export const aliasBody = z
  .strictObject({ os: text, release: text, variant: text })
  .meta({ description: 'What the alias leads to: the products of this os, release and variant.' });

export const tokenBody = z.strictObject({
  name: z.string().min(1).max(100),
  actions: z.array(z.enum(actions)).min(1),
  streams: z.array(text).min(1).optional().meta({ description: 'The streams it is for; all when left out.' }),
  expiresAt: z.iso.datetime().optional(),
});
