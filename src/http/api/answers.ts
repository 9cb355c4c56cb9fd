import * as z from 'zod';
import type { AuditEntry } from '../../catalog/audit.ts';
import type { Client } from '../../catalog/identities/clients.ts';
import type { Token } from '../../catalog/identities/tokens.ts';
import type { RunRecord } from '../../catalog/mirrors/mirror-run-rows.ts';
import type { Alias } from '../../catalog/products/aliases.ts';
import type { MirrorStatus } from '../../mirror/status.ts';
import { itemTypeNames } from '../../model/item-types.ts';
import { actions } from '../../model/rights.ts';
import type { Item, ProductWithVersions } from '../../model/versions.ts';
import type { StoreReport } from '../../ops/store-report.ts';
import type { Published } from '../../publish/request.ts';

// The bodies that the API answers with: the OpenAPI document shows them, and a test holds real answers against them.
// The types of what the routes send are checked against them here.

/** A value as JSON carries it. */
type Json<Value> = Value extends Date
  ? string
  : Value extends readonly (infer Element)[]
    ? Json<Element>[]
    : Value extends object
      ? { [Key in keyof Value]: Json<Value[Key]> }
      : Value;

const time = z.iso.datetime();
const bytes = z.int().nonnegative().meta({ description: 'Bytes.' });
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const names = z.array(z.string());

export const errorAnswer = z.strictObject({
  error: z.strictObject({
    kind: z.string().meta({ description: 'What went wrong, for programs: `not-found`, `conflict`, …' }),
    message: z.string().meta({ description: 'For people: what was wrong and what to do.' }),
    fields: z.array(z.string()).exactOptional().meta({
      description: 'The fields of the body, or the parameters, that are wrong or missing, if these are the reason.',
    }),
  }),
});

export const documentAnswer = z.looseObject({
  openapi: z.string(),
  paths: z.record(z.string(), z.unknown()),
});

export const streamsAnswer = z.strictObject({
  streams: z.array(z.strictObject({ name: z.string(), public: z.boolean() })),
});

const item = z.strictObject({
  file: z.string(),
  type: z.enum(itemTypeNames),
  digest: sha256,
  size: bytes,
  fingerprint: sha256.exactOptional(),
  deltaBase: z.string().exactOptional().meta({ description: 'The serial that a delta starts from.' }),
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
      'The directory below `images/` that holds its files, where another stream had this product before.',
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
            'Who pushed it: `client:NAME` or `token:NAME`. Only administrators and the pusher are told.',
        }),
        items: z.array(item),
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
  warnings: names.meta({ description: 'What was left out or looked odd.' }),
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

const run = z.strictObject({
  id: z.int(),
  mirror: z.string(),
  cause: z.string(),
  startedAt: time,
  finishedAt: time.exactOptional(),
  outcome: z.enum(['success', 'unchanged', 'partial', 'failed', 'interrupted']).exactOptional(),
  report: z
    .looseObject({ added: z.int(), kept: z.int(), retired: z.int(), failures: z.int(), fetched: bytes })
    .exactOptional()
    .meta({ description: 'What it did; versions are counted.' }),
  error: z.string().exactOptional(),
}) satisfies z.ZodType<Json<RunRecord>>;

const mirror = z.strictObject({
  name: z.string(),
  url: z.string(),
  enabled: z.boolean(),
  signed: z.boolean().meta({ description: 'Whether its documents must be signed.' }),
  mode: z.string(),
  stream: z.string(),
  schedule: z.string().exactOptional(),
  timezone: z.string().exactOptional(),
  nextRun: time.exactOptional(),
  running: z.boolean(),
  lastRun: run.exactOptional(),
  lastSuccess: time.exactOptional(),
  age: z.int().exactOptional().meta({ description: 'Seconds since the last success.' }),
  maxAge: z.int().exactOptional().meta({ description: 'Seconds after which it is stale.' }),
  stale: z.boolean(),
}) satisfies z.ZodType<Omit<Json<MirrorStatus>, 'mode' | 'lastRun'>>;

export const mirrorsAnswer = z.strictObject({ mirrors: z.array(mirror) });
export const mirrorAnswer = mirror.extend({ runs: z.array(run).meta({ description: 'The newest first.' }) });

const rights = {
  actions: z.array(z.enum(actions)),
  streams: names.exactOptional(),
  names: names.exactOptional(),
};

const token = z.strictObject({
  id: z.string(),
  name: z.string(),
  purpose: z.enum(['api', 'join']),
  ...rights,
  createdAt: time,
  expiresAt: time.exactOptional(),
  lastUsedAt: time.exactOptional(),
  revokedAt: time.exactOptional(),
}) satisfies z.ZodType<Json<Token>>;

export const tokensAnswer = z.strictObject({ tokens: z.array(token) });
export const newTokenAnswer = z.strictObject({ token, secret: z.string() });

export const clientsAnswer = z.strictObject({
  clients: z.array(
    z.strictObject({
      id: z.string(),
      name: z.string(),
      fingerprint: sha256,
      ...rights,
      createdAt: time,
      lastUsedAt: time.exactOptional(),
      revokedAt: time.exactOptional(),
    }) satisfies z.ZodType<Json<Client>>,
  ),
});

const amount = z.strictObject({ blobs: z.int().nonnegative(), bytes });

export const storageAnswer = z.strictObject({
  owned: z
    .boolean()
    .meta({ description: 'Whether the catalog owns the store. If not, nothing is removed from it.' }),
  problem: z
    .string()
    .nullable()
    .meta({ description: 'What keeps blobs from being removed, and what to do.' }),
  catalog: z.string(),
  revision: z.int(),
  owner: z
    .strictObject({
      catalog: z.string(),
      revision: z.int(),
      mark: z.string(),
      at: time,
      adoptedEmpty: z.boolean().exactOptional(),
    })
    .nullable()
    .meta({ description: 'The owner according to the store.' }),
  setAside: z.strictObject({ removed: amount, unknown: amount }),
  stoppedSweep: z
    .strictObject({ at: time, unknown: z.int(), blobs: z.int() })
    .nullable()
    .meta({ description: 'A sweep that found too many unknown blobs and waits for a decision.' }),
}) satisfies z.ZodType<Json<StoreReport>>;

export const auditAnswer = z.strictObject({
  entries: z.array(
    z.strictObject({
      id: z.int(),
      at: time,
      who: z.string(),
      from: z.string(),
      action: z.string(),
      subject: z.string(),
      details: z.record(z.string(), z.unknown()).exactOptional(),
    }) satisfies z.ZodType<Json<AuditEntry>>,
  ),
  next: z.int().exactOptional().meta({ description: '`before` of the next page.' }),
});
