import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Family } from '../../catalog/products/aliases.ts';
import type { SiteMirror } from '../../config/sites/site-mirror-schema.ts';
import { type MirrorState, mirrorState } from '../run/state.ts';

/** What an import records for the next one. `documents` and `aliases` are empty: bundles have none, and several streams. */
export interface SiteState extends MirrorState {
  /** The aliases that the other site gave, by the streams of this one. */
  streams: Record<string, [alias: string, family: Family][]>;
}

const family = z.looseObject({ os: z.string(), release: z.string(), variant: z.string() });

/** The record of a state in the catalog. */
export const siteState: z.ZodType<Partial<Pick<SiteState, 'streams'>> & MirrorState> = z.intersection(
  mirrorState,
  z.looseObject({ streams: z.record(z.string(), z.array(z.tuple([z.string(), family]))).exactOptional() }),
);

/** A text that changes when the definition selects other content. */
export function siteMark({ site, streams, select, keep, removed }: SiteMirror): string {
  return createHash('sha256')
    .update(JSON.stringify([1, { site, streams, select, keep, removed }]))
    .digest('hex');
}
