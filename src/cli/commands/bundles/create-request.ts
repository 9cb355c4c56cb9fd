import type { Since } from '../../../bundle/create/base.ts';
import type { BundleServices } from '../../../bundle/create/create.ts';
import type { BundleWish, FetchBlobs, NextBundle } from '../../../bundle/create/next-bundle.ts';
import type { ProgramFile } from '../../../bundle/create/program-file.ts';
import type { VersionTest } from '../../../bundle/create/select.ts';
import type { WrittenBundle } from '../../../catalog/bundles/bundles.ts';
import type { Catalog } from '../../../catalog/catalog.ts';
import { parseVolumeSize, volumeSizesExpected } from '../../../config/bundles/volume-size.ts';
import { parseSize } from '../../../config/quantities.ts';
import type { Config } from '../../../config/schema.ts';
import { HeadwaterError } from '../../../errors.ts';
import { defined } from '../../../model/defined.ts';
import type { ProductWithVersions } from '../../../model/versions.ts';
import { parseFilters } from '../../filters.ts';
import { viewsOf } from '../../view/version-view.ts';
import { type CreateOptions, standardStream } from './create-options.ts';
import { openReceipt } from './open-receipt.ts';

/** A bundle to write, and how it was planned. */
interface BundleToWrite {
  bundle: WrittenBundle;
  /** Undefined for a bundle that is written once more. */
  next?: NextBundle;
}

/**
 * The bundle that the options ask for: an earlier one, one that was interrupted, or a new one.
 * @param fetch downloads files that mirrors list on demand; undefined to refuse versions with such files
 */
export async function toWrite(
  services: BundleServices,
  { config, options, target }: { config: Config; options: CreateOptions; target: string },
  fetch: FetchBlobs | undefined,
): Promise<BundleToWrite> {
  const { catalog } = services;
  if (options.again !== undefined) {
    const found = await catalog.bundles.find(options.to, numberOf('--again', options.again));
    if (found !== undefined) return { bundle: found };
    throw new HeadwaterError(
      'not-found',
      `--again: no bundle ${options.again} was written for ${options.to}`,
    );
  }
  if (options.volume !== undefined) throw new HeadwaterError('usage', '--volume needs --again');
  if (options.receipt !== undefined) {
    const { receipt, held } = await openReceipt(options.receipt, receiptOf(options), { catalog, config });
    await catalog.receipts.take(receipt, held);
  }
  const [{ beginBundle }, { nextBundle }] = await Promise.all([
    import('../../../bundle/create/create.ts'),
    import('../../../bundle/create/next-bundle.ts'),
  ]);
  const wish = await wishFor(catalog, config, options, target);
  const next = await nextBundle(services, wish, fetch);
  const bundle = next.begun ?? (await beginBundle(next.manifest, services, next.repeated));
  return { bundle, next };
}

/** The next bundle, without a download of what it needs. */
export async function planned(
  services: Pick<BundleServices, 'catalog' | 'store'>,
  config: Config,
  options: CreateOptions,
  target: string | undefined,
): Promise<NextBundle> {
  const { nextBundle, planNext } = await import('../../../bundle/create/next-bundle.ts');
  const wish = await wishFor(services.catalog, config, options, target);
  return options.fetch === true
    ? await planNext(services, wish)
    : await nextBundle(services, wish, undefined);
}

async function wishFor(
  catalog: Catalog,
  config: Config,
  options: CreateOptions,
  target: string | undefined,
): Promise<BundleWish> {
  const [{ siteWish }, { loadSites }] = await Promise.all([
    import('../../../bundle/create/site-wish.ts'),
    import('../../../config/bundles/site-definitions.ts'),
  ]);
  const { to, stream, select, mirror, label, receipt } = options;
  const unrecorded =
    receipt === undefined ? undefined : await openReceipt(receipt, receiptOf(options), { catalog, config });
  const wished = defined({
    ...{ label, streams: stream, mirrors: mirror, since: sinceOf(options), receipt: unrecorded },
    select: select === undefined ? undefined : versionsByFilters(select),
    limit: target === standardStream ? Number.POSITIVE_INFINITY : volumeLimit(options.volumeSize),
    maxSize: maxSizeOf(options),
    beside: (await programOf(options))?.size,
  });
  return siteWish(to, wished, {
    ...{ config, definition: loadSites(config.bundleDir).get(to) },
    streams: await catalog.products.streams(),
  });
}

/** Selects versions as `headwater list` does. */
function versionsByFilters(filters: readonly string[]): VersionTest {
  const passes = parseFilters(filters);
  const selected = new WeakMap<ProductWithVersions, Set<string>>();
  return (product, { serial }) => {
    let serials = selected.get(product);
    if (serials === undefined) {
      serials = new Set(
        viewsOf(product)
          .filter(passes)
          .map((view) => view.serial),
      );
      selected.set(product, serials);
    }
    return serials.has(serial);
  };
}

function sinceOf({ since }: CreateOptions): Since | undefined {
  switch (since) {
    case undefined:
    case 'acknowledged':
    case 'sent':
    case 'nothing':
      return since;
    default:
      return { upTo: numberOf('--since', since) };
  }
}

function receiptOf({ to, keyring }: CreateOptions): { keyring: string | undefined; site: string } {
  return { keyring, site: to };
}

/** The package that `--with-headwater` names. */
export async function programOf({ withHeadwater }: CreateOptions): Promise<ProgramFile | undefined> {
  if (withHeadwater === undefined) return undefined;
  const { programFile } = await import('../../../bundle/create/program-file.ts');
  return await programFile(withHeadwater);
}

function volumeLimit(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const limit = parseVolumeSize(text);
  if (limit !== undefined) return limit;
  throw new HeadwaterError('usage', `--volume-size ${text}: ${volumeSizesExpected}`);
}

function maxSizeOf({ maxSize }: CreateOptions): number | undefined {
  if (maxSize === undefined) return undefined;
  const bytes = parseSize(maxSize);
  if (bytes !== undefined) return bytes;
  throw new HeadwaterError('usage', `--max-size ${maxSize}: expected a size such as 4GiB`);
}

function numberOf(flag: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new HeadwaterError('usage', `${flag} ${text}: expected the number of a bundle, such as 7`);
}

/** The volumes that `--volume` names, checked against the bundle; undefined for all of them. */
export function volumesOf(options: CreateOptions, { volumeCount }: WrittenBundle): number[] | undefined {
  const numbers = options.volume?.map((text) => numberOf('--volume', text));
  const wrong = numbers?.find((number) => number > volumeCount);
  if (wrong === undefined) return numbers;
  throw new HeadwaterError('usage', `--volume ${wrong}: the bundle has ${volumeCount} volumes`);
}
