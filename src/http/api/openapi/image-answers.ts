import * as z from 'zod';
import type { Alias } from '../../../catalog/products/aliases.ts';
import { itemTypeNames } from '../../../model/item-types.ts';
import type { Item, ProductWithVersions } from '../../../model/versions.ts';
import type { Published } from '../../../publish/request.ts';
import { bytes, type Json, names, sha256, time } from './answer-fields.ts';
import { provenanceAnswer } from './provenance-answer.ts';

export const streamsAnswer = z.strictObject({
  streams: z.array(z.strictObject({ name: z.string(), public: z.boolean() })),
});

const item = z.strictObject({
  file: z.string(),
  type: z.enum(itemTypeNames),
  digest: sha256,
  size: bytes,
  fingerprint: sha256.exactOptional(),
  deltaBase: z
    .string()
    .exactOptional()
    .meta({ description: 'The serial of the version to which a delta applies.' }),
}) satisfies z.ZodType<Json<Item>>;

export const productAnswer = z.strictObject({
  name: z.string().meta({ description: '`os:release:architecture:variant`, unique within the stream' }),
  os: z.string(),
  release: z.string(),
  architecture: z.string(),
  variant: z.string(),
  stream: z.string(),
  place: z.string().exactOptional().meta({
    description:
      'The directory below `images/` that contains the files, if another stream had a product of this name first.',
  }),
  owner: z.string(),
  osTitle: z.string(),
  releaseTitle: z.string(),
  releaseShown: z.string().exactOptional(),
  supportEol: z.string().exactOptional(),
  requirements: z.record(z.string(), z.string()),
  aliases: names,
  pins: z.array(z.strictObject({ alias: z.string(), serial: z.string() })),
  versions: z
    .array(
      z.strictObject({
        serial: z.string(),
        label: z.string(),
        publishedAt: time,
        hidden: z.boolean(),
        pushedBy: z.string().exactOptional().meta({
          description:
            'The pusher: `client:NAME` or `token:NAME`. Shown only to administrators and the pusher.',
        }),
        items: z.array(item),
        provenance: provenanceAnswer.exactOptional().meta({ description: 'With `provenance=1`.' }),
      }),
    )
    .meta({ description: 'The oldest first.' }),
}) satisfies z.ZodType<Json<ProductWithVersions>>;

export const productsAnswer = z.strictObject({
  products: z.array(productAnswer),
  next: z.string().exactOptional().meta({ description: '`after` of the next page.' }),
});

export const imagesAnswer = z.strictObject({
  images: z.array(
    z.strictObject({ stream: z.string(), product: z.string(), serial: z.string(), fingerprint: sha256 }),
  ),
});

export const blobAnswer = z.strictObject({ digest: z.string().regex(/^sha256:[0-9a-f]{64}$/), size: bytes });

export const publishedAnswer = z.strictObject({
  outcome: z.enum(['created', 'unchanged']),
  product: z.string(),
  serial: z.string(),
  stream: z.string(),
  aliases: names,
  images: z.array(
    z.strictObject({
      type: z.enum(['container', 'virtual-machine']),
      file: z.string(),
      fingerprint: sha256,
      size: bytes,
    }),
  ),
  warnings: names.meta({ description: 'Warnings, such as an alias that was left out.' }),
}) satisfies z.ZodType<Json<Published>>;

export const aliasesAnswer = z.strictObject({
  aliases: z.array(
    z.strictObject({
      stream: z.string(),
      name: z.string().meta({ description: 'Unique within the stream.' }),
      description: z.string(),
      os: z.string(),
      release: z.string(),
      variant: z.string(),
      pinned: z.strictObject({ product: z.string(), serial: z.string() }).exactOptional(),
      products: names,
    }) satisfies z.ZodType<Json<Alias>>,
  ),
});
