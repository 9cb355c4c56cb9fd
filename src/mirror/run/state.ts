import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import type { Family } from '../../catalog/products/aliases.ts';
import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { HeadwaterError } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import type { Totals } from '../../simplestreams/read/offered-document.ts';
import type { KnownDocuments } from '../upstream/documents.ts';

/** What a run records for the next one. */
export interface MirrorState {
  /** The mark of the definition ({@link definitionMark}). */
  definition: string;
  /** The mark of what it selects ({@link selectionMark}). */
  selection?: string;
  /** How many of its blobs had been found damaged or missing when the run began. */
  losses?: number;
  /** The documents, if only a change of them can mean work; otherwise empty. */
  documents: KnownDocuments;
  /** How much the upstream offered, and how much of it was selected. */
  totals: Totals;
  selected: Totals;
  /** The aliases that the upstream gave. */
  aliases: [alias: string, family: Family][];
}

const totals = z.looseObject({ products: z.number(), versions: z.number() });

/** The record of a state in the catalog. */
export const mirrorState: z.ZodType<MirrorState> = z.looseObject({
  definition: z.string(),
  selection: z.string().exactOptional(),
  losses: z.number().exactOptional(),
  documents: z.array(
    z.looseObject({
      path: z.string(),
      validators: z.looseObject({
        etag: z.string().exactOptional(),
        lastModified: z.string().exactOptional(),
      }),
    }),
  ),
  totals,
  selected: totals,
  aliases: z.array(
    z.tuple([z.string(), z.looseObject({ os: z.string(), release: z.string(), variant: z.string() })]),
  ),
});

/**
 * A text that changes when the definition selects other content, and when its keyring changes.
 * @throws HeadwaterError `invalid` when the keyring cannot be read
 */
export async function definitionMark(definition: MirrorDefinition): Promise<string> {
  const { url, fallback, keyring, unsigned, contentId, notBefore } = definition;
  const hash = createHash('sha256').update(
    // To be increased when this program reads upstreams differently.
    JSON.stringify([2, { url, fallback, unsigned, contentId, notBefore }, selectionMark(definition)]),
  );
  if (keyring !== undefined) {
    try {
      hash.update(await readFile(keyring));
    } catch (error) {
      const { message } = fileError(error, { path: keyring, doing: 'read', isInput: true });
      throw new HeadwaterError('invalid', `${definition.file}: keyring ${message}`, { cause: error });
    }
  }
  return hash.digest('hex');
}

/** A text that changes when the definition selects other content of the same documents. */
export function selectionMark(definition: MirrorDefinition): string {
  const { select, variant, deltas, keep, stream, mode } = definition;
  return JSON.stringify({ select, variant, deltas, keep, stream, mode });
}
