import type { WrittenBundle } from '../../catalog/bundles/bundles.ts';
import type { TakenReceipt } from '../../catalog/bundles/receipts.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import { HeadwaterError } from '../../errors.ts';
import { parseManifest } from '../format/manifest.ts';
import type { Manifest } from '../format/manifest-schema.ts';
import type { Receipt } from './receipt-schema.ts';
import { type ShortCode, stateCode } from './short-code.ts';

/** A receipt that is to be taken, and the blobs that the site has. */
export interface ReceiptToTake {
  receipt: TakenReceipt;
  /** SHA-256 in hexadecimal. */
  held: readonly string[];
}

/**
 * Compares a signed receipt with the ledger.
 * @param signedBy whose signature it has, for people
 * @throws HeadwaterError `not-found`, `conflict` when no such bundle was written here
 */
export async function checkReceipt(
  receipt: Receipt,
  signedBy: string,
  catalog: Catalog,
): Promise<ReceiptToTake> {
  const { site, from, last, missing, held } = receipt;
  const bundle = await sentBundle(catalog, site, last?.sequence);
  const sender = manifestOf(bundle).site;
  if (sender !== from) {
    throw new HeadwaterError(
      'conflict',
      `the receipt of ${site} is about bundles of ${from}, and this site is ${sender}`,
    );
  }
  if (last !== null && last.identity !== bundle.identity) {
    throw new HeadwaterError(
      'conflict',
      `the receipt names bundle ${last.sequence} with the manifest ${last.identity}, and the one that was written here has ${bundle.identity}: the site imported a bundle of another data directory. Send everything with "headwater bundle create --to ${site} --since nothing"`,
    );
  }
  return {
    receipt: {
      ...{ site, sequence: last?.sequence ?? 0, createdAt: new Date(receipt.created), signedBy },
      missing: missing.length,
    },
    held,
  };
}

/**
 * Compares a short code with what should be at the site.
 * @throws HeadwaterError `not-found` when no such bundle was written here; `conflict` when the site lacks something
 */
export async function checkCode(
  { site, sequence, code }: ShortCode,
  catalog: Catalog,
): Promise<ReceiptToTake> {
  const bundle = await sentBundle(catalog, site, sequence);
  const { carried, assumed } = manifestOf(bundle);
  const held = [...carried, ...assumed].map(({ digest }) => digest.replace('sha256:', ''));
  if (stateCode(bundle.identity, held) !== code) {
    throw new HeadwaterError(
      'conflict',
      `the code is not that of a site with all files of bundle ${sequence}: some are missing there, or the code was misread. A full receipt tells which: run "headwater bundle receipt" at ${site}`,
    );
  }
  return {
    receipt: { site, sequence, createdAt: new Date(), signedBy: null, missing: 0 },
    held,
  };
}

/** @param sequence the newest bundle if undefined */
async function sentBundle(catalog: Catalog, site: string, sequence?: number): Promise<WrittenBundle> {
  const number = sequence ?? (await catalog.bundles.list(site)).at(-1)?.sequence;
  const bundle = number === undefined ? undefined : await catalog.bundles.find(site, number);
  if (bundle !== undefined) return bundle;
  throw new HeadwaterError(
    'not-found',
    `no bundle${sequence === undefined ? '' : ` ${sequence}`} was written for ${site}: "headwater bundle list" lists those that were`,
  );
}

function manifestOf({ to, sequence, manifest }: WrittenBundle): Manifest {
  return parseManifest(Buffer.from(manifest), `bundle ${sequence} for ${to}`);
}
