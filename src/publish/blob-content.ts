import * as z from 'zod';
import { jsonColumn, textRecord } from '../catalog/database/checked-column.ts';
import type { BlobRecord } from '../catalog/products/blobs.ts';
import { type Content, compressionSuffixes } from '../image/content.ts';
import { imageRules } from '../image/image-rules.ts';
import { architectures } from '../model/architecture.ts';
import { keysOf } from '../model/keys-of.ts';

const compression = z.enum(keysOf(compressionSuffixes));
const architecture = z.enum(architectures);
const violations = z.array(z.looseObject({ rule: z.enum(imageRules), what: z.string() })).exactOptional();

const metadata = z.looseObject({
  architecture,
  creationDate: z.number(),
  expiryDate: z.number().exactOptional(),
  properties: textRecord,
  source: z.string(),
});

const found = z.looseObject({
  os: z.string().exactOptional(),
  release: z.string().exactOptional(),
  version: z.string().exactOptional(),
  title: z.string().exactOptional(),
  architecture: architecture.exactOptional(),
});

const none = z.literal('none');
const programs = architecture.exactOptional();

const content = z.discriminatedUnion('kind', [
  z.looseObject({ kind: z.literal('metadata'), compression, metadata, violations }),
  z.looseObject({
    kind: z.literal('unified'),
    compression: z.union([compression, z.literal('squashfs')]),
    metadata,
    type: z.enum(['container', 'virtual-machine']),
    programs,
    violations,
  }),
  z.looseObject({
    kind: z.literal('rootfs-tarball'),
    compression,
    found,
    unpacked: z.string().exactOptional(),
    whiteouts: z.literal(true).exactOptional(),
    violations,
  }),
  z.looseObject({ kind: z.literal('squashfs'), compression: none, programs }),
  z.looseObject({ kind: z.literal('qcow2'), compression: none, virtualSize: z.number() }),
  z.looseObject({ kind: z.literal('vcdiff'), compression: none }),
]) satisfies z.ZodType<Content>;

const readContent = jsonColumn<Content>('blobs.content', content);

/** The record of a blob that Headwater made and that is no image file: nobody may publish it. */
export const generatedContent = JSON.stringify({ kind: 'generated' });

/** What a stored blob is, by the catalog's record of it. */
export function contentOf({ content: text, digest }: BlobRecord): Content {
  return readContent(text, digest);
}
