import type { Manifest } from '../../bundle/format/manifest-schema.ts';
import { ownerOf } from '../../catalog/products/ownership.ts';
import type { SiteMirror } from '../../config/sites/site-mirror-schema.ts';
import { isKind } from '../../errors.ts';
import type { StartedRun } from '../recorded-run.ts';
import { reconcile } from '../run/reconcile.ts';
import type { Preparation } from './preparation.ts';
import { localStream } from './site-offer.ts';
import { termsOf } from './site-plan.ts';
import type { SiteState } from './site-state.ts';

/**
 * Makes the catalog agree with the state that the mirror follows: withdrawn versions, details, aliases, and versions outside
 * `keep`. Fills in the report.
 * @param options.isStored whether the store has a digest by now
 */
export async function reconcileSite(
  definition: SiteMirror,
  { services: { catalog }, lease, report }: StartedRun,
  { state, offer, plan, before }: Preparation,
  { isStored }: { isStored: (digest: string) => boolean },
): Promise<SiteState['streams']> {
  const owner = ownerOf(definition.name);
  const assertMay = () => lease.assertHeld();
  if (definition.withdrawn === 'retire') {
    for (const { stream, product, serial } of heldWithdrawn(definition, state)) {
      await assertMay();
      const found = await catalog.products.find({ stream, name: product });
      if (found?.owner !== owner) continue;
      try {
        await catalog.versions.remove({ stream, name: product }, serial);
        report.retired += 1;
      } catch (error) {
        if (!isKind(error, 'not-found')) throw error;
      }
    }
  }
  const streams: SiteState['streams'] = {};
  let kept = 0;
  for (const stream of plan.streams) {
    const reconciled = await reconcile(catalog, { owner, stream }, offer.streams.get(stream) ?? [], {
      ...{ terms: termsOf(definition), inManyStreams: true, isStored, assertMay },
      before: { aliases: before?.streams?.[stream] ?? [] },
    });
    report.retired += reconciled.retired;
    kept += reconciled.kept;
    report.aliases.changed += reconciled.aliases.changed;
    report.aliases.withheld.push(...reconciled.aliases.withheld);
    streams[stream] = reconciled.given;
  }
  report.kept = kept - report.added;
  return streams;
}

/** The withdrawn versions of a state, by the streams of this site. */
export function heldWithdrawn(
  definition: Pick<SiteMirror, 'streams'>,
  { withdrawn = [] }: Manifest,
): { stream: string; product: string; serial: string }[] {
  return withdrawn.flatMap(({ stream, product, serial }) => {
    const local = localStream(definition, stream);
    return local === undefined ? [] : [{ stream: local, product, serial }];
  });
}
