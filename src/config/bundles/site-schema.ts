import * as z from 'zod';
import { age, integer, path, positiveSize, streamName } from '../fields.ts';
import { imageRule } from '../mirror-schema.ts';
import { parseVolumeSize, volumeSizesExpected } from './volume-size.ts';

// The keys of the definition of a site that bundles are written for. docs/air-gap.md explains each of them.

const streamsExpected = 'expected a list of streams, such as [images]';

const volumeSize = z
  .union([z.string(), z.number()], { error: volumeSizesExpected })
  .transform((value) => parseVolumeSize(String(value)) ?? Number.NaN)
  .refine((bytes) => bytes > 0, { error: volumeSizesExpected });

export const siteSchema = z.strictObject({
  /** Versions with an image that matches a rule. */
  select: z
    .array(imageRule, { error: 'expected a list of rules' })
    .min(1, { error: 'expected at least one rule; to select everything, remove the key' })
    .prefault([{}]),
  /** All public streams if undefined. */
  streams: z.array(streamName, { error: streamsExpected }).min(1, { error: streamsExpected }).exactOptional(),
  keep: z
    .strictObject({
      /** The number of versions of a product. */
      versions: integer(1, 10_000).exactOptional(),
      /** Milliseconds since the time in the serial; the newest version of a product is kept at any age. */
      age: age.exactOptional(),
    })
    .prefault({}),
  /** Bytes of a volume. */
  volume: volumeSize.exactOptional(),
  /** Bytes of a bundle. */
  maxSize: positiveSize.exactOptional(),
  /** The number of previous bundles whose files are carried again. */
  overlap: integer(0, 1000).prefault(0),
  /** The public keys of the site: one of them must have signed its receipts. */
  receiptKeyring: path('a file of OpenPGP public keys').exactOptional(),
});

/** The definition of a site: sizes in bytes, durations in milliseconds, paths absolute. */
export type SiteDefinition = z.output<typeof siteSchema>;
