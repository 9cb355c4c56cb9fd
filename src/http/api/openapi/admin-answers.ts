import * as z from 'zod';
import type { AuditEntry } from '../../../catalog/audit.ts';
import type { Client } from '../../../catalog/identities/clients.ts';
import type { Token } from '../../../catalog/identities/tokens.ts';
import type { RunRecord } from '../../../catalog/mirrors/mirror-run-rows.ts';
import { errorKinds } from '../../../errors.ts';
import type { MirrorStatus } from '../../../mirror/status.ts';
import { actions } from '../../../model/rights.ts';
import type { ScrubReport } from '../../../ops/scrub/scrub-report.ts';
import type { StoreReport } from '../../../ops/store-report.ts';
import { bytes, type Json, names, sha256, time } from './answer-fields.ts';

export const runAnswer = z.strictObject({
  id: z.int(),
  mirror: z.string(),
  cause: z.string(),
  startedAt: time,
  finishedAt: time.exactOptional(),
  outcome: z.enum(['success', 'unchanged', 'partial', 'failed', 'interrupted']).exactOptional(),
  report: z
    .looseObject({
      added: z.int(),
      kept: z.int(),
      retired: z.int(),
      failures: z.int(),
      fetched: bytes,
      stored: bytes.exactOptional(),
      failed: z
        .array(z.strictObject({ product: z.string(), version: z.string(), error: z.string() }))
        .exactOptional(),
      skipped: z
        .array(z.strictObject({ reason: z.string(), count: z.int(), example: z.string() }))
        .exactOptional(),
      aliases: z
        .strictObject({
          changed: z.int(),
          withheld: z.array(z.strictObject({ alias: z.string(), owner: z.string() })),
        })
        .exactOptional(),
      warnings: names.exactOptional(),
      errorKind: z.enum(errorKinds).exactOptional(),
    })
    .exactOptional()
    .meta({ description: 'The result of the run, with the numbers of versions.' }),
  error: z.string().exactOptional(),
}) satisfies z.ZodType<Json<RunRecord>>;

/** The result of a run that the request waited for. */
export const runResultAnswer = runAnswer
  .omit({ id: true, cause: true, error: true })
  .required({ finishedAt: true, outcome: true, report: true });

const mirror = z.strictObject({
  name: z.string(),
  url: z.string().exactOptional().meta({ description: 'The address of the upstream.' }),
  site: z
    .string()
    .exactOptional()
    .meta({ description: 'Instead of `url`: the site whose bundles bring the versions.' }),
  enabled: z.boolean(),
  signed: z.boolean().meta({ description: 'Whether its documents must be signed.' }),
  mode: z.enum(['scheduled', 'on-demand', 'bundles']),
  stream: z.string().exactOptional(),
  streams: names.exactOptional().meta({ description: 'Of a site: the streams of its products.' }),
  schedule: z.string().exactOptional(),
  timezone: z.string().exactOptional(),
  nextRun: time.exactOptional(),
  running: z.boolean(),
  lastRun: runAnswer.exactOptional(),
  lastSuccess: time.exactOptional(),
  age: z.int().exactOptional().meta({ description: 'Seconds since the last success.' }),
  maxAge: z.int().exactOptional().meta({ description: 'Seconds after which it is stale.' }),
  stale: z.boolean(),
  upstreamUpdated: time
    .exactOptional()
    .meta({ description: "The newest date of the upstream's documents: of a change or a signature." }),
  upstreamAge: z.int().exactOptional().meta({ description: 'Seconds since then.' }),
  upstreamMaxAge: z.int().exactOptional().meta({ description: 'Seconds after which the upstream is stale.' }),
  upstreamStale: z.boolean(),
  bundle: z
    .strictObject({
      to: z.string(),
      sequence: z.int(),
      identity: sha256,
      created: time,
      signedBy: z.string().exactOptional(),
    })
    .exactOptional()
    .meta({ description: 'Of a site: the newest imported bundle.' }),
  waiting: z
    .strictObject({
      versions: z.int(),
      blobs: z.int(),
      bytes,
      bundles: z.array(z.strictObject({ sequence: z.int(), blobs: z.int(), bytes })),
    })
    .exactOptional()
    .meta({ description: 'Of a site: versions that lack files, and the bundles that carried these.' }),
}) satisfies z.ZodType<Json<MirrorStatus>>;

export const mirrorsAnswer = z.strictObject({ mirrors: z.array(mirror) });
export const mirrorAnswer = mirror.extend({
  runs: z.array(runAnswer).meta({ description: 'The newest first.' }),
});

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

const version = { stream: z.string(), product: z.string(), serial: z.string(), owner: z.string() };

const round = z.strictObject({
  startedAt: time.meta({ description: 'When it began; identifies the scrub.' }),
  finishedAt: time.exactOptional(),
  requested: z.boolean().exactOptional().meta({ description: 'Whether it was begun on request.' }),
  after: z.string().meta({ description: 'The digest of the last blob that was read.' }),
  blobs: z.int().nonnegative().meta({ description: 'Blobs that were read.' }),
  bytes,
  reading: bytes.exactOptional().meta({ description: 'Bytes of the next blob that were read.' }),
  damaged: z.int().nonnegative(),
  missing: z.int().nonnegative(),
  fingerprints: z
    .int()
    .nonnegative()
    .meta({ description: 'Images that were listed under a wrong fingerprint.' }),
  lost: z
    .array(
      z.strictObject({
        digest: sha256,
        size: bytes,
        state: z.enum(['missing', 'damaged']),
        problem: z.string(),
        versions: z.array(z.strictObject(version)),
      }),
    )
    .meta({ description: 'The first damaged and missing blobs, and the first versions that need them.' }),
  wrong: z.array(z.strictObject({ ...version, claimed: sha256, computed: sha256 })),
  problem: z.string().exactOptional().meta({ description: 'Why it does not continue now.' }),
});

export const scrubAnswer = z.strictObject({
  running: z.boolean().meta({ description: 'Whether a server scrubs now.' }),
  round: round.nullable().meta({ description: 'The scrub that is running or was interrupted.' }),
  last: round.nullable().meta({ description: 'The last scrub that was completed.' }),
  lost: amount.meta({ description: 'Blobs that are damaged or missing now, as far as is known.' }),
  total: bytes.meta({ description: 'Bytes of all stored blobs.' }),
}) satisfies z.ZodType<Json<ScrubReport>>;

export const storageAnswer = z.strictObject({
  owned: z
    .boolean()
    .meta({ description: 'Whether the catalog owns the store. If not, no blobs are removed.' }),
  problem: z
    .string()
    .nullable()
    .meta({ description: 'The reason why no blobs are removed, and what to do.' }),
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
    .meta({ description: 'The owner that the store records.' }),
  setAside: z.strictObject({ removed: amount, unknown: amount, damaged: amount }),
  stoppedSweep: z
    .strictObject({ at: time, unknown: z.int(), blobs: z.int() })
    .nullable()
    .meta({ description: 'A sweep that found too many unknown blobs and waits for a decision.' }),
  scrub: scrubAnswer,
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
