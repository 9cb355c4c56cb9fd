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
      .array(z.strictObject({ digest: text, name: text.exactOptional(), fingerprint: text.exactOptional() }))
      .min(1)
      .max(16)
      .meta({
        description:
          'Uploaded blobs. Messages name a file by its `name`. The `fingerprint` of a root is that of its image: an image with another fingerprint is refused.',
      }),
    os: text.exactOptional(),
    release: text.exactOptional(),
    architecture: text.exactOptional(),
    variant: text.exactOptional(),
    serial: text.exactOptional().meta({ description: 'YYYYMMDD_HHMM, in UTC' }),
    stream: text.exactOptional(),
    createStream,
    title: text.exactOptional(),
    label: text.exactOptional(),
    eol: text.exactOptional().meta({ description: 'YYYY-MM-DD' }),
    aliases: z.array(text).max(100).exactOptional(),
    requirements: z.record(z.string(), z.string()).exactOptional(),
    osTitle: text.exactOptional(),
  })
  .meta({ description: 'A version. Missing fields come from metadata.yaml or from the root filesystem.' });

export const aliasBody = z
  .strictObject({
    os: text,
    release: text,
    variant: text,
    stream: text.exactOptional().meta({ description: 'Required if several streams have such products.' }),
  })
  .meta({ description: 'The target of the alias: the products of this os, release and variant.' });

export const runBody = z
  .strictObject({
    force: z
      .boolean()
      .exactOptional()
      .meta({ description: 'Read all documents again, accept older ones of `url`, and ignore maxShrink.' }),
  })
  .optional()
  .meta({ description: 'Options of the run; may be omitted.' });

const names = z.array(text).min(1).max(100);

export const bundleBody = z
  .strictObject({
    streams: names.exactOptional().meta({ description: 'Only these streams.' }),
    mirrors: names.exactOptional().meta({ description: 'Only products of these mirrors.' }),
    since: z
      .union([z.enum(['acknowledged', 'sent', 'nothing']), z.int().min(1)])
      .exactOptional()
      .meta({ description: 'What the site has, as `--since` of `headwater bundle create`.' }),
    label: text.exactOptional(),
    maxSize: z.union([z.string(), z.int()]).exactOptional().meta({
      description: 'The size of the bundle, in bytes or such as 60GiB: the newest versions that fit.',
    }),
    fetch: z
      .boolean()
      .exactOptional()
      .meta({ description: 'First download files that mirrors list on demand.' }),
    again: z
      .int()
      .min(1)
      .exactOptional()
      .meta({ description: 'Send the bundle of this number once more; other fields are ignored.' }),
  })
  .optional()
  .meta({ description: 'Options, which override the definition of the site; may be omitted.' });

export const tokenBody = z
  .strictObject({
    name: z.string().min(1).max(100),
    purpose: z.enum(['api', 'join']).default('api').meta({
      description: 'api: a bearer token. join: a join token, with which one client joins.',
    }),
    role: z.enum(['read', 'publish', 'admin']).exactOptional(),
    actions: z.array(z.enum(actions)).min(1).exactOptional(),
    streams: z
      .array(text)
      .min(1)
      .exactOptional()
      .meta({ description: 'The streams to which the token is limited.' }),
    createStream,
    names: z.array(text).min(1).max(100).exactOptional().meta({
      description:
        'Patterns (with * and ?) of the aliases and products to which the token is limited; all if omitted.',
    }),
    expiresAt: z.iso.datetime().exactOptional(),
  })
  .meta({
    description:
      'A token, with a role or actions. Without either, an api token allows read and publish in all streams, and a join token has the role publish in the stream for pushed images.',
  });
