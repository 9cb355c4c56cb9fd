import type { Catalog } from '../../catalog/catalog.ts';
import { HeadwaterError } from '../../errors.ts';

/**
 * What a new bundle leaves out because the site has it: what its newest receipt lists (`acknowledged`), that and all that was
 * sent after it (`sent`), what bundles up to a number carried, or nothing.
 */
export type Since = 'acknowledged' | 'sent' | 'nothing' | { upTo: number };

/** A receipt that is not recorded. */
export interface UnrecordedReceipt {
  receipt: { sequence: number };
  held: readonly string[];
}

/**
 * The blobs that a site has.
 * @param since `acknowledged` if undefined and there is a receipt of the site, else `sent`
 * @param unrecorded takes the place of the newest receipt
 * @returns the sequence of the bundle that carried a blob, by the digest (`sha256:…`)
 * @throws HeadwaterError `usage` if there is no receipt for `acknowledged`
 */
export async function blobsAtSite(
  catalog: Catalog,
  to: string,
  since: Since | undefined,
  unrecorded?: UnrecordedReceipt,
): Promise<Map<string, number>> {
  if (since === 'nothing') return new Map();
  if (typeof since === 'object') return withPrefix(await catalog.bundles.carried(to, since));
  const receipt = unrecorded?.receipt ?? (await catalog.receipts.find(to));
  if (receipt === undefined) {
    if (since === 'acknowledged') {
      throw new HeadwaterError(
        'usage',
        `--since acknowledged: no receipt of ${to} was taken: see "headwater bundle acknowledge"`,
      );
    }
    return withPrefix(await catalog.bundles.carried(to));
  }
  const { sequence } = receipt;
  const carried = await catalog.bundles.carried(to, { upTo: sequence });
  const held = unrecorded?.held ?? (await catalog.receipts.held(to));
  const acknowledged = held.map((digest) => [digest, carried.get(digest) ?? sequence] as const);
  const later = since === 'sent' ? await catalog.bundles.carried(to, { after: sequence }) : [];
  return withPrefix(new Map([...acknowledged, ...later]));
}

function withPrefix(sequences: ReadonlyMap<string, number>): Map<string, number> {
  return new Map([...sequences].map(([digest, sequence]) => [`sha256:${digest}`, sequence]));
}
