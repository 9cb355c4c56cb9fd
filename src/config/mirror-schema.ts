import * as z from 'zod';
import {
  age,
  boolean,
  choice,
  dateTime,
  duration,
  integer,
  positiveSize,
  size,
  streamName,
  text,
} from './fields.ts';
import { address, checkTrust, redirects, trust } from './upstream-fields.ts';

// The keys of a mirror's definition. The files in mirrors/ explain each of them.

const pattern = text(
  'a pattern, in which * and ? match anything and a leading ! excludes',
  (value) => value.replace(/^!/, '') !== '',
);
const patterns = z
  .union([pattern, z.array(pattern).min(1)], { error: 'expected a pattern or a list of patterns' })
  .transform((value) => (typeof value === 'string' ? [value] : value));

/** A rule selects the images that match all its keys. */
export const imageRule = z.strictObject({
  os: patterns.exactOptional(),
  release: patterns.exactOptional(),
  architecture: patterns.exactOptional(),
  variant: patterns.exactOptional(),
  /** `container` or `virtual-machine`. */
  type: z
    .union(
      [choice(['container', 'virtual-machine']), z.array(choice(['container', 'virtual-machine'])).min(1)],
      {
        error: 'expected container, virtual-machine or a list of both',
      },
    )
    .transform((value) => (typeof value === 'string' ? [value] : value))
    .exactOptional(),
  label: patterns.exactOptional(),
});

/** A rule for an upstream: it also knows how the files are packed, and the documents. */
const rule = imageRule.extend({
  /** Of the root: `squashfs`, `root.tar.xz`, `disk-kvm.img`, … */
  ftype: patterns.exactOptional(),
  /** Any other field of the upstream's documents, of a product, a version or an item, by its name there. */
  fields: z
    .record(z.string(), patterns, { error: 'expected fields of the documents, such as {subarches: generic}' })
    .exactOptional(),
});

/** The key `select`. */
export function selectRules<Rule extends z.ZodType>(rule: Rule) {
  return z
    .array(rule, { error: 'expected a list of rules' })
    .min(1, { error: 'expected at least one rule; to select everything, remove the key' });
}

const contentId = text(
  'the content id of a products document, such as com.ubuntu.cloud:released:download',
  (value) => value !== '',
);

const timezone = text('a time zone such as Europe/Berlin, or UTC', (value) => {
  // Loading the time zones takes longer than reading the file.
  if (value === 'UTC') return true;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: value }) !== undefined;
  } catch {
    return false;
  }
});

const contentIdsExpected = 'expected content ids, such as [com.ubuntu.cloud:released:download]';
/** One content id or several; the order does not matter. */
const contentIds = z
  .union([contentId, z.array(contentId).min(1, { error: contentIdsExpected })], {
    error: contentIdsExpected,
  })
  .transform((value) => (typeof value === 'string' ? [value] : value));

/** @param isSchedule whether a text is a valid schedule: only the mirrors may import the library for that */
export function mirrorSchema(isSchedule: (text: string) => boolean) {
  return z
    .strictObject({
      enabled: boolean.prefault(true),
      url: address,
      /** Tried in this order when `url` fails. */
      fallback: z.array(address).prefault([]),
      redirects,
      ...trust,
      /** The products documents that are followed, by their keys in the index; those of the first run without it. */
      contentId: contentIds.exactOptional(),
      /** Documents that are older are refused. */
      notBefore: dateTime.exactOptional(),
      select: selectRules(rule).prefault([{}]),
      /** The variant of products whose upstream has no variants. */
      variant: text('the name of a variant, such as cloud', (value) =>
        /^[a-z0-9][a-z0-9._+~-]{0,63}$/.test(value),
      ).prefault('default'),
      /** Also copy the deltas from stored versions. */
      deltas: boolean.prefault(true),
      keep: z
        .strictObject({
          /** The number of versions of a product. */
          versions: integer(1, 10_000).exactOptional(),
          /** Milliseconds since the time in the serial. */
          age: age.exactOptional(),
          /** The fate of versions that the upstream removed. */
          removed: choice(['keep', 'retire']).prefault('keep'),
        })
        .prefault({ versions: 3 }),
      stream: streamName.prefault('images'),
      mode: choice(['scheduled', 'on-demand']).prefault('scheduled'),
      /** The limits of stored files of a mirror on demand. */
      cache: z
        .strictObject({
          /** Milliseconds since the last request for a file. */
          age: age.exactOptional(),
          /** Bytes. */
          size: positiveSize.exactOptional(),
        })
        .exactOptional(),
      schedule: text(
        'a schedule such as "17 4 * * *" (minute, hour, day, month, weekday)',
        isSchedule,
      ).exactOptional(),
      timezone: timezone.prefault('UTC'),
      /** Milliseconds; each run is delayed by a random part of it. */
      jitter: duration.prefault('0s'),
      /** Files that are downloaded at the same time. */
      concurrency: integer(1, 64).prefault(6),
      /** Bytes per second, of all files together. */
      bandwidth: size(1024, 2 ** 53 - 1, 'of at least 1KiB, per second').exactOptional(),
      /** The percentage of products or versions that may have disappeared since the last run. */
      maxShrink: integer(0, 100).prefault(50),
      /** Milliseconds since the last success after which the mirror is stale. */
      maxAge: age.exactOptional(),
      /** Milliseconds since the newest date of the upstream's documents after which the upstream is stale. */
      upstreamMaxAge: age.exactOptional(),
    })
    .superRefine((definition, context) => {
      const { cache, mode } = definition;
      const add = (key: string, message: string) =>
        context.addIssue({ code: 'custom', path: [key], message });
      checkTrust(definition, add);
      if (cache !== undefined && mode !== 'on-demand') add('cache', 'expected only with "mode: on-demand"');
    });
}

type Keys = z.output<ReturnType<typeof mirrorSchema>>;

/** A rule: patterns by key. */
export type SelectRule = Keys['select'][number];

/** The definition of a mirror: sizes in bytes, durations in milliseconds, paths absolute. */
export interface MirrorDefinition extends Keys {
  /** The name of the file without `.yaml`. */
  name: string;
  file: string;
  /** Of the upstream, from the environment. */
  credentials?: { user: string; password: string };
}
