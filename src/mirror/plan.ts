import type { Item } from '../catalog/model.ts';
import { type ProductKey, productName } from '../catalog/names.ts';
import type { OfferedDelta, OfferedFile, OfferedProduct, OfferedVersion } from './offered.ts';
import { type Skipped, Skips } from './offered.ts';
import { type Keep, retiredSerials, wantedSerials } from './retention.ts';

/** A product that is in the catalog, as far as a plan needs it. */
export interface HeldProduct {
  name: string;
  owner: string;
  stream: string;
  versions: { serial: string; items: Pick<Item, 'type' | 'digest'>[] }[];
}

export interface PlanInput {
  offered: OfferedProduct[];
  /** Every product of the mirror, and every other one that is offered too. */
  held: Iterable<HeldProduct>;
  /** `mirror:NAME` */
  owner: string;
  stream: string;
  keep: Keep;
  now: Date;
  /** Whether the bytes of a digest are here, from anywhere. */
  isStored: (digest: string) => boolean;
}

/** A version to be fetched and published. */
export interface PlannedVersion {
  /** `os:release:architecture:variant` */
  product: string;
  key: ProductKey;
  details: OfferedProduct['details'];
  version: OfferedVersion;
  /** Its files: the metadata first, if it has some, then roots and at most one delta. */
  files: (OfferedFile | OfferedDelta)[];
  /** Bytes that are not here yet. */
  fetch: number;
}

/** What a run is to do. */
export interface Plan {
  /** The newest first. */
  add: PlannedVersion[];
  /** Versions that are here and stay. */
  kept: number;
  retire: { product: string; serial: string }[];
  /** Bytes to fetch, each blob once. */
  fetch: number;
  /** Bytes of added versions that are here already. */
  stored: number;
  skipped: Skipped[];
}

/**
 * Compares what an upstream offers with what is here. Pure: it reads nothing and changes nothing.
 * What is outside `keep` is retired, what is inside and missing is added.
 */
export function makePlan(input: PlanInput): Plan {
  const skips = new Skips();
  const held = new Map([...input.held].map((product) => [product.name, product]));
  const plan: Plan = { add: [], kept: 0, retire: [], fetch: 0, stored: 0, skipped: [] };
  const seen = new Set<string>();
  for (const product of input.offered) {
    const name = productName(product.key);
    const here = held.get(name);
    const reason = seen.has(name)
      ? 'another product of the upstream has the same name here'
      : foreign(here, input);
    if (reason !== undefined) {
      for (const { name: version } of product.versions) skips.add(reason, `${product.name} ${version}`);
      continue;
    }
    seen.add(name);
    planProduct(plan, product, here, input, skips);
  }
  for (const product of held.values()) {
    if (product.owner !== input.owner || seen.has(product.name)) continue;
    const serials = { offered: new Set<string>(), held: serialsOf(product) };
    const retired = retiredSerials(serials, input.keep, input.now);
    plan.retire.push(...retired.map((serial) => ({ product: product.name, serial })));
    plan.kept += product.versions.length - retired.length;
  }
  plan.add.sort(
    (one, other) => order(other.version.serial, one.version.serial) || order(one.product, other.product),
  );
  countBytes(plan, input.isStored);
  return { ...plan, skipped: skips.list() };
}

/** Why a product cannot be touched, if so. */
function foreign(here: HeldProduct | undefined, input: PlanInput): string | undefined {
  if (here === undefined) return undefined;
  if (here.owner !== input.owner) return `the product is owned by ${here.owner}`;
  return here.stream === input.stream ? undefined : `the product is in the stream ${here.stream}`;
}

function planProduct(
  plan: Plan,
  product: OfferedProduct,
  here: HeldProduct | undefined,
  input: PlanInput,
  skips: Skips,
): void {
  const name = productName(product.key);
  const serials = {
    offered: new Set(product.versions.map(({ serial }) => serial)),
    held: here === undefined ? new Set<string>() : serialsOf(here),
  };
  const wanted = wantedSerials(serials, input.keep, input.now);
  const items = new Map(here?.versions.map((version) => [version.serial, version.items]));
  for (const version of product.versions) {
    const existing = items.get(version.serial);
    if (existing !== undefined && !sameFiles(version, existing)) {
      skips.add(
        'it is here with other files, and a published version never changes',
        `${product.name} ${version.name}`,
      );
    }
    if (existing !== undefined || !wanted.has(version.serial)) continue;
    plan.add.push({
      product: name,
      key: product.key,
      details: product.details,
      version,
      files: filesOf(version, wanted),
      fetch: 0,
    });
  }
  // As if everything were fetched: the run looks again at what is here by then.
  const retired = retiredSerials(
    { offered: serials.offered, held: new Set([...serials.held, ...wanted]) },
    input.keep,
    input.now,
  );
  plan.retire.push(...retired.map((serial) => ({ product: name, serial })));
  plan.kept += serials.held.size - retired.length;
}

/** A delta is of use where its base is here too; one is enough, and clients apply no more. */
function filesOf(version: OfferedVersion, wanted: ReadonlySet<string>): (OfferedFile | OfferedDelta)[] {
  const [delta] = version.deltas
    .filter(({ base }) => wanted.has(base))
    .sort((one, other) => order(other.base, one.base));
  return [
    ...(version.metadata === undefined ? [] : [version.metadata]),
    ...version.roots,
    ...(delta === undefined ? [] : [delta]),
  ];
}

/** Whether what is offered is what is here, as far as digests tell. */
function sameFiles(version: OfferedVersion, items: { digest: string; type: string }[]): boolean {
  const digests = new Set(items.map(({ digest }) => digest));
  const split = items.some(({ type }) => type === 'metadata');
  // A unified virtual machine was taken apart: its digest is not here.
  if (split && version.roots.some(({ unified }) => unified)) return true;
  return [version.metadata, ...version.roots].every(
    (file) => file?.sha256 === undefined || digests.has(file.sha256),
  );
}

function countBytes(plan: Plan, isStored: (digest: string) => boolean): void {
  const counted = new Set<string>();
  for (const planned of plan.add) {
    for (const { sha256, size } of planned.files) {
      const known = sha256 !== undefined && (counted.has(sha256) || isStored(sha256));
      if (known) {
        plan.stored += size;
        continue;
      }
      if (sha256 !== undefined) counted.add(sha256);
      planned.fetch += size;
      plan.fetch += size;
    }
  }
}

function serialsOf(product: HeldProduct): Set<string> {
  return new Set(product.versions.map(({ serial }) => serial));
}

function order(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
