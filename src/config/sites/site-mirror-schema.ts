import * as z from 'zod';
import { age, boolean, choice, integer, path, siteName, streamName, text } from '../fields.ts';
import { imageRule, selectRules } from '../mirror-schema.ts';
import { checkTrust, trust } from '../upstream-fields.ts';

// The keys of a mirror whose versions come in bundles of another site. docs/air-gap.md explains each of them.

const checkExpected = 'expected a program and its arguments, such as [clamdscan, "{file}"]';

const proofExpected =
  'expected {keyring: FILE}, {proof: site} or {proof: refuse}: how images of this owner must be proven';

/** How the images of an owner at the other site must be proven. */
const proof = z.union(
  [
    z.strictObject({
      /** One of these keys must have signed the documents of the upstream. */
      keyring: path('a file of OpenPGP public keys'),
      /** The products document that must list the images. */
      contentId: text(
        'a content id such as com.ubuntu.cloud:released:download',
        (value) => value !== '',
      ).exactOptional(),
    }),
    /** `site`: the signature of the bundle is enough. `refuse`: no image of this owner is imported. */
    z.strictObject({ proof: z.enum(['site', 'refuse']) }),
  ],
  { error: proofExpected },
);

export const siteMirrorSchema = z
  .strictObject({
    enabled: boolean.prefault(true),
    /** The name of the site that writes the bundles. */
    site: siteName,
    keyring: trust.keyring,
    unsigned: trust.unsigned,
    /** By the owner of products at the other site; `*` for all others. */
    upstreams: z
      .record(
        text('an owner such as mirror:ubuntu, or "*"', (value) => value !== ''),
        proof,
        {
          error: 'expected owners, such as {"mirror:ubuntu": {keyring: FILE}, "*": {proof: site}}',
        },
      )
      .prefault({ '*': { proof: 'site' } }),
    /** By the names of streams at the other site: the names here, or false. Other streams keep their names. */
    streams: z
      .record(
        streamName,
        z.union([streamName, z.literal(false)], { error: 'expected the name of a stream, or false' }),
        {
          error: 'expected streams, such as {images: images, nightly: false}',
        },
      )
      .prefault({}),
    select: selectRules(imageRule).prefault([{}]),
    keep: z
      .strictObject({
        /** The number of versions of a product. */
        versions: integer(1, 10_000).exactOptional(),
        /** Milliseconds since the time in the serial. */
        age: age.exactOptional(),
      })
      .prefault({}),
    /** The fate of versions that the other site no longer lists. */
    removed: choice(['keep', 'retire']).prefault('keep'),
    /** The fate of versions that the other site withdrew. */
    withdrawn: choice(['retire', 'keep']).prefault('retire'),
    /** The percentage of products or versions that may have disappeared since the last bundle. */
    maxShrink: integer(0, 100).prefault(50),
    /** Milliseconds since the newest bundle was created after which the mirror is stale. */
    maxAge: age.exactOptional(),
    /** A program that examines each new file: exit code 0 accepts it. */
    check: z
      .array(z.string().min(1), { error: checkExpected })
      .refine((words) => words.slice(1).some((word) => word.includes('{file}')), { error: checkExpected })
      .exactOptional(),
  })
  .superRefine((definition, context) => {
    checkTrust(definition, (key, message) => context.addIssue({ code: 'custom', path: [key], message }));
  });

type Keys = z.output<typeof siteMirrorSchema>;

/** How images of an owner must be proven. */
export type Proof = Keys['upstreams'][string];

/** The definition of a mirror whose versions come in bundles: durations in milliseconds, paths absolute. */
export interface SiteMirror extends Keys {
  /** The name of the file without `.yaml`. */
  name: string;
  file: string;
}
