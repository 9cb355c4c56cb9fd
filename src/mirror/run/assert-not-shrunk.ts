import { HeadwaterError } from '../../errors.ts';
import type { UpstreamOffer } from './read-upstream.ts';
import type { MirrorState } from './state.ts';

/**
 * Refuses an upstream that suddenly offers far less than before.
 * @throws HeadwaterError `conflict`
 */
export function assertNotShrunk(
  definition: { name: string; maxShrink: number },
  found: Pick<UpstreamOffer, 'isComplete' | 'totals' | 'selected'>,
  before: MirrorState | undefined,
  mark: string,
): void {
  // Nothing is retired unless the documents are complete.
  if (before === undefined || !found.isComplete) return;
  const compare = (what: string, now: number, then: number) => {
    if (now >= then * (1 - definition.maxShrink / 100)) return;
    throw new HeadwaterError(
      'conflict',
      `mirror ${definition.name}: the upstream offers ${now} ${what}, ${then} before: more than maxShrink ` +
        `(${definition.maxShrink} %) allows. If that is right, run it once with --force`,
    );
  };
  compare('products', found.totals.products, before.totals.products);
  compare('versions', found.totals.versions, before.totals.versions);
  // Selected versions can be compared only while the definition is the same.
  if (before.definition !== mark) return;
  compare('selected products', found.selected.products, before.selected.products);
  compare('selected versions', found.selected.versions, before.selected.versions);
}
