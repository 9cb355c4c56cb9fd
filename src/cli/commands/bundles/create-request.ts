import { hostname } from 'node:os';
import type { Since } from '../../../bundle/create/base.ts';
import type { BundleServices } from '../../../bundle/create/create.ts';
import type { Manifest } from '../../../bundle/format/manifest-schema.ts';
import type { WrittenBundle } from '../../../catalog/bundles/bundles.ts';
import type { Catalog } from '../../../catalog/catalog.ts';
import { parseSize } from '../../../config/quantities.ts';
import type { Config } from '../../../config/schema.ts';
import { HeadwaterError } from '../../../errors.ts';
import { defined } from '../../../model/defined.ts';
import { parseFilters } from '../../filters.ts';
import { viewsOf } from '../../view/version-view.ts';
import { type CreateOptions, standardStream } from './create-options.ts';
import { openReceipt } from './open-receipt.ts';

/** Sizes by the media that limit them, in bytes. Files on FAT32 have less than 4 GiB. */
const mediaSizes = new Map([
  ['fat32', 4 * 2 ** 30 - 2 ** 20],
  ['dvd', 4_700_000_000],
  ['bd', 25_000_000_000],
]);

/** The bundle that the options ask for: an earlier one, one that was interrupted, or a new one. */
export async function toWrite(
  services: BundleServices,
  config: Config,
  options: CreateOptions,
  target: string,
): Promise<WrittenBundle> {
  const { catalog } = services;
  if (options.again !== undefined) {
    const found = await catalog.bundles.find(options.to, numberOf('--again', options.again));
    if (found !== undefined) return found;
    throw new HeadwaterError(
      'not-found',
      `--again: no bundle ${options.again} was written for ${options.to}`,
    );
  }
  if (options.volume !== undefined) throw new HeadwaterError('usage', '--volume needs --again');
  if (options.receipt !== undefined) {
    const { receipt, held } = await openReceipt(options.receipt, receiptOf(options), catalog);
    await catalog.receipts.take(receipt, held);
  }
  const { beginBundle } = await import('../../../bundle/create/create.ts');
  const manifest = await planned(catalog, config, options, target);
  return (await unfinished(catalog, manifest)) ?? (await beginBundle(manifest, services));
}

/** The manifest of a new bundle. */
export async function planned(
  catalog: Catalog,
  config: Config,
  options: CreateOptions,
  target: string | undefined,
): Promise<Manifest> {
  const { planBundle } = await import('../../../bundle/create/plan.ts');
  const { selectState } = await import('../../../bundle/create/state.ts');
  const { siteName } = await import('../../../config/fields.ts');
  const isSite = siteName.safeParse(options.to).success;
  if (!isSite)
    throw new HeadwaterError('usage', `--to ${options.to}: use at most 32 lower-case letters, digits and -`);
  const passes = parseFilters(options.select ?? []);
  const state = await selectState(catalog, {
    streams: options.stream ?? (await publicStreams(catalog, config)),
    select: (product) =>
      new Set(
        viewsOf(product)
          .filter(passes)
          .map(({ serial }) => serial),
      ),
  });
  if (state.versions.length === 0) {
    throw new HeadwaterError(
      'not-found',
      'no version to carry: no published version matches --stream and --select',
    );
  }
  const sent = await catalog.bundles.list(options.to);
  const last = sent.findLast(({ finishedAt }) => finishedAt !== undefined);
  return planBundle(state, {
    site: config.site ?? defaultSite(),
    to: options.to,
    sequence: (last?.sequence ?? 0) + 1,
    previous: last?.identity ?? null,
    created: new Date(),
    ...defined({ label: options.label }),
    limit: target === standardStream ? Number.POSITIVE_INFINITY : volumeLimit(options.volumeSize),
    sent: await base(catalog, options),
  });
}

/** An interrupted bundle that would be the same one, but for its time. */
async function unfinished(catalog: Catalog, manifest: Manifest): Promise<WrittenBundle | undefined> {
  const begun = await catalog.bundles.find(manifest.to, manifest.sequence);
  if (begun === undefined || begun.finishedAt !== undefined) return undefined;
  const { renderManifest } = await import('../../../bundle/format/manifest.ts');
  const same = { ...manifest, created: begun.createdAt.toISOString() };
  return renderManifest(same).toString() === begun.manifest ? begun : undefined;
}

/** The blobs that a site has, with the numbers of the bundles that carried them. */
async function base(catalog: Catalog, options: CreateOptions): Promise<Map<string, number>> {
  const { to, receipt } = options;
  const { blobsAtSite } = await import('../../../bundle/create/base.ts');
  const unrecorded =
    receipt === undefined ? undefined : await openReceipt(receipt, receiptOf(options), catalog);
  return await blobsAtSite(catalog, to, sinceOf(options), unrecorded);
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

async function publicStreams(catalog: Catalog, { streams }: Config): Promise<string[]> {
  const all = await catalog.products.streams();
  return all.filter((stream) => streams[stream]?.public !== false);
}

/** The name of the machine, as the name of a site. */
function defaultSite(): string {
  const [first = ''] = hostname().toLowerCase().split('.');
  return (
    first
      .replaceAll(/[^a-z0-9-]/g, '-')
      .replace(/^-+/, '')
      .slice(0, 32) || 'headwater'
  );
}

function volumeLimit(text = 'fat32'): number {
  const limit = mediaSizes.get(text) ?? parseSize(text);
  if (limit !== undefined) return limit;
  throw new HeadwaterError(
    'usage',
    `--volume-size ${text}: expected ${[...mediaSizes.keys()].join(', ')}, or a size such as 2GiB`,
  );
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

/**
 * Opens the signing key of the configuration.
 * @returns makes detached signatures, armored
 * @throws HeadwaterError `not-found` when there is none
 */
export async function openSigning(config: Config): Promise<BundleServices['sign']> {
  const { signingSettings } = await import('../../../config/signing.ts');
  const settings = signingSettings(config);
  if (settings === undefined) {
    throw new HeadwaterError(
      'not-found',
      'no signing key: a bundle must be signed. Create a key with "headwater key create", and give the site its public key with "headwater key export"',
    );
  }
  const { SigningKeys } = await import('../../../keys/signing-keys.ts');
  const { openSigner } = await import('../../../keys/open-signer.ts');
  const { armoredSignature } = await import('../../../keys/key-file.ts');
  const signer = await openSigner((await SigningKeys.open(settings)).source);
  return async (bytes) => await armoredSignature(await signer.detached(bytes));
}
