import * as z from 'zod';

// The receipt of a site, version 1: which bundle it imported last, and which blobs of the sender it has.

/** The version of the format that this code writes and reads. */
export const receiptFormat = 'headwater-receipt:1';

const siteName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** Unknown keys are ignored: a later version of the program may add some that need not be understood. */
export const receiptSchema = z.object({
  format: z.literal(receiptFormat),
  /** The site that wrote the receipt. */
  site: siteName,
  /** The site whose bundles it imported. */
  from: siteName,
  /** The newest bundle that it imported; `identity` is the SHA-256 of the manifest. Null if it has none. */
  last: z.object({ sequence: z.int().min(1), identity: digest }).nullable(),
  created: z.iso.datetime(),
  /** The version of the program that wrote it. */
  headwater: z.string().max(100),
  /** Blobs that the site needs for the versions of the newest bundle and does not have: SHA-256 in hexadecimal. */
  missing: z.array(digest),
  /** All blobs of bundles of the sender that the site has. */
  held: z.array(digest),
});

export type Receipt = z.output<typeof receiptSchema>;
