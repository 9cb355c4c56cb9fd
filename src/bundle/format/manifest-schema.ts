import * as z from 'zod';
import { itemTypeNames } from '../../model/item-types.ts';

// The manifest of a bundle, version 1: what the sending site has, what the bundle carries of it, and in which volume.

/** The version of the format that this code writes and reads. */
export const bundleFormat = 'headwater-bundle:1';

const count = z.int().min(0);
const text = z.string().max(1000);
/** Names in file names of a bundle: FAT and ISO 9660 take them. */
const siteName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/);
const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const time = z.iso.datetime();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** Bytes of a document of an upstream. */
const maxDocumentSize = 256 * 1024 * 1024;

const item = z.object({
  type: z.enum(itemTypeNames),
  file: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$/),
  digest,
  size: count,
  fingerprint: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .exactOptional(),
  deltaBase: text.exactOptional(),
});

/** A document of an upstream, which the inside verifies with its own keyring. */
const document = z.object({
  /** Of its bytes, word for word; of a clear-signed one with its signature. */
  sha256,
  size: count.max(maxDocumentSize),
  /** Whether the signature is a file of its own. */
  detached: z.boolean(),
  signature: z.object({ sha256, size: count.max(1024 * 1024) }).exactOptional(),
  /** The mirror that fetched it. */
  mirror: text,
  url: text,
  path: text,
  contentId: text,
  /** When it last changed, as it says. */
  updated: time.exactOptional(),
  signedAt: time.exactOptional(),
  /** Fingerprints. */
  signedBy: z.array(text).max(100),
  fetchedAt: time,
});

const carried = z.object({
  digest,
  size: count,
  /** The volume with all its bytes, from 1. */
  volume: z.int().min(1).exactOptional(),
  /** Where it is cut because it is larger than a volume, in the order of its bytes. */
  pieces: z
    .array(z.object({ offset: count, size: z.int().min(1), volume: z.int().min(1) }))
    .min(2)
    .exactOptional(),
});

/** Unknown keys are ignored: a later version of the program may add some that need not be understood. */
export const manifestSchema = z.object({
  format: z.literal(bundleFormat),
  /** What a reader must understand beyond this version of the format. */
  requires: z.array(z.string()),
  site: siteName,
  to: siteName,
  sequence: z.int().min(1),
  /** The SHA-256 of the manifest before this one; null in the first bundle of a chain. */
  previous: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
  created: time,
  label: text.exactOptional(),
  /** The version of the program that wrote it. */
  headwater: text,
  /** `limit` is null in a stream, which is one volume without a limit. `bytes`: of all blobs that are carried. */
  volumes: z.object({ count: z.int().min(1), limit: count.nullable(), bytes: count }),
  /** The signed documents that list versions. They are members of volume 1. */
  documents: z.array(document).max(10_000).exactOptional(),
  products: z.array(
    z.object({
      name: z.string().regex(/^[^:\s]+:[^:\s]+:[^:\s]+:[^:\s]+$/),
      stream: z.string(),
      owner: text,
      osTitle: text,
      releaseTitle: text,
      releaseShown: text.exactOptional(),
      supportEol: text.exactOptional(),
      requirements: z.record(z.string(), text),
      aliases: z.array(text),
    }),
  ),
  versions: z.array(
    z.object({
      stream: z.string(),
      product: z.string(),
      serial: z.string().regex(/^\d{8}_\d{4}$/),
      upstreamName: text.exactOptional(),
      upstreamProduct: text.exactOptional(),
      /** The SHA-256 of the document that lists it. */
      document: sha256.exactOptional(),
      label: text,
      items: z.array(item).min(1),
    }),
  ),
  /** Versions that an operator withdrew: the site should not have them either. */
  withdrawn: z
    .array(
      z.object({
        stream: z.string(),
        product: z.string(),
        serial: z.string().regex(/^\d{8}_\d{4}$/),
        at: time,
        reason: text,
      }),
    )
    .exactOptional(),
  carried: z.array(carried),
  /** Blobs of `versions` that an earlier bundle carried, with its sequence. */
  assumed: z.array(z.object({ digest, size: count, sequence: z.int().min(1) })),
});

export type Manifest = z.output<typeof manifestSchema>;
export type CarriedBlob = Manifest['carried'][number];
export type ManifestVersion = Manifest['versions'][number];
export type ManifestProduct = Manifest['products'][number];
export type ManifestWithdrawal = NonNullable<Manifest['withdrawn']>[number];
export type ManifestDocument = NonNullable<Manifest['documents']>[number];
