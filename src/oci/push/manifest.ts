import { hash } from 'node:crypto';
import * as z from 'zod';
import { HeadwaterError, messageOf } from '../../errors.ts';
import type { Architecture } from '../../model/architecture.ts';
import { type Digest, isDigest, parseDigest } from '../../model/digest.ts';
import { serialOf } from '../../model/names.ts';
import { architectureOf } from '../platform.ts';

/** Media types of manifests: those of OCI, and those that docker writes. */
const manifestTypes = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];
const indexTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];

/** docker makes no more. */
const maxLayers = 127;

const descriptor = z.looseObject({
  mediaType: z.string(),
  digest: z
    .string()
    .refine((text) => text.startsWith('sha256:') && isDigest(text.slice(7)), 'expected a sha256 digest'),
  size: z.int().min(0),
});

const manifestSchema = z.looseObject({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  config: descriptor,
  layers: z.array(descriptor),
});

const configSchema = z.looseObject({
  architecture: z.string(),
  os: z.string(),
  variant: z.string().optional(),
  created: z.string().optional(),
});

/** A manifest that a client pushes. */
export interface PushedManifest {
  mediaType: string;
  digest: Digest;
  bytes: Buffer;
  config: { digest: Digest; size: number };
  /** The lowest one first. */
  layers: { digest: Digest; size: number }[];
}

/**
 * Reads a manifest.
 * @param type the media type in the header of the request
 * @throws HeadwaterError `invalid`, also for images that cannot be versions
 */
export function readManifest(bytes: Buffer, type: string): PushedManifest {
  if (indexTypes.includes(type)) {
    throw new HeadwaterError(
      'invalid',
      'an index of several architectures cannot be pushed: push the image of each architecture to the same tag, and the tag points to an index of them',
    );
  }
  const manifest = parse(manifestSchema, bytes, 'the manifest');
  const mediaType = manifest.mediaType ?? type;
  if (!manifestTypes.includes(mediaType)) {
    throw new HeadwaterError('invalid', `the media type ${JSON.stringify(mediaType)} is not supported`);
  }
  if (manifest.layers.length === 0 || manifest.layers.length > maxLayers) {
    throw new HeadwaterError(
      'invalid',
      `the image has ${manifest.layers.length} layers; from 1 to ${maxLayers} are possible`,
    );
  }
  const read = ({ digest, size }: { digest: string; size: number }) => ({
    digest: parseDigest(digest),
    size,
  });
  return {
    ...{ mediaType, bytes, digest: parseDigest(hash('sha256', bytes)) },
    config: read(manifest.config),
    layers: manifest.layers.map(read),
  };
}

/** What the config of an image says. */
export interface PushedConfig {
  architecture: Architecture;
  /** Of its creation: the current minute if it does not say. */
  serial: string;
}

/** @throws HeadwaterError `invalid` */
export function readConfig(bytes: Buffer, now = new Date()): PushedConfig {
  const { architecture, variant, os, created } = parse(configSchema, bytes, 'the config');
  if (os !== 'linux') throw new HeadwaterError('invalid', `the image is for ${os}, not for linux`);
  const time = new Date(created ?? now);
  // Images that are built reproducibly are of 1970 or year 1.
  const isTime = time.getTime() > 0;
  return { architecture: architectureOf(architecture, variant), serial: serialOf(isTime ? time : now) };
}

function parse<Schema extends z.ZodType>(schema: Schema, bytes: Buffer, what: string): z.infer<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString());
  } catch (error) {
    throw new HeadwaterError('invalid', `${what} is not JSON: ${messageOf(error)}`, { cause: error });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new HeadwaterError('invalid', `${what}: ${issue?.path.join('.')}: ${issue?.message}`);
}
