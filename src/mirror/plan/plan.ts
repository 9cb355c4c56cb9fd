import { compareText } from '../../model/compare.ts';
import { type ProductKey, productName } from '../../model/names.ts';
import type {
  OfferedDelta,
  OfferedFile,
  OfferedProduct,
  OfferedVersion,
} from '../../simplestreams/read/offered.ts';
import { type Skipped, Skips } from '../../simplestreams/read/offered.ts';
import { type HeldVersion, lackingFiles, sameFiles, sortVersions } from './held-versions.ts';
import { retiredSerials, type Terms, wantedSerials } from './retention.ts';

/** A product in the catalog, as far as a plan needs it. */
export interface HeldProduct {
  name: string;
  owner: string;
  stream: string;
  versions: HeldVersion[];
}

export interface PlanInput {
  offered: OfferedProduct[];
  /** All products of the mirror, and those of other owners that the upstream offers too. */
  held: Iterable<HeldProduct>;
  /** `mirror:NAME` */
  owner: string;
  stream: string;
  terms: Terms;
  /** Whether the store has a digest, wherever it came from. */
  isStored: (digest: string) => boolean;
  /** On demand: the path from which a blob is fetched. Absent where all files are downloaded. */
  sourceOf?: (digest: string) => string | undefined;
}

/** A version to download and publish. */
export interface PlannedVersion {
  /** `os:release:architecture:variant` */
  product: string;
  key: ProductKey;
  details: OfferedProduct['details'];
  version: OfferedVersion;
  /** Whether it is in the catalog already, and only some of its files are missing. */
  listed: boolean;
  /** Its files: the metadata first, if there is any, then roots and at most one delta. */
  files: (OfferedFile | OfferedDelta)[];
  /** Bytes to download. */
  fetch: number;
}

/** What a run will do. */
export interface Plan {
  /** The newest first. */
  add: PlannedVersion[];
  /** Products of the mirror in another stream, which move into its stream. */
  move: string[];
  /** How many held versions stay. */
  kept: number;
  retire: { product: string; serial: string }[];
  /** Bytes to download, counting each blob once. */
  fetch: number;
  /** Bytes of added versions that are stored already. */
  stored: number;
  skipped: Skipped[];
}

/**
 * Compares what an upstream offers with what is held. Pure: it reads nothing and changes nothing.
 * Versions outside `keep` are retired; missing versions within it are added.
 */
export function makePlan(input: PlanInput): Plan {
  const skips = new Skips();
  const held = new Map([...input.held].map((product) => [product.name, product]));
  const plan: Plan = { add: [], move: [], kept: 0, retire: [], fetch: 0, stored: 0, skipped: [] };
  const seen = new Set<string>();
  for (const product of input.offered) {
    const name = productName(product.key);
    const here = held.get(name);
    const reason = seen.has(name)
      ? 'another product of the upstream has the same name'
      : foreign(here, input);
    if (reason !== undefined) {
      for (const { name: version } of product.versions) skips.add(reason, `${product.name} ${version}`);
      continue;
    }
    seen.add(name);
    planProduct(plan, product, here, input, skips);
  }
  for (const product of held.values()) {
    if (product.owner !== input.owner) continue;
    if (product.stream !== input.stream) plan.move.push(product.name);
    if (seen.has(product.name)) continue;
    const serials = sortVersions([], product.versions, input.isStored);
    const retired = retiredSerials(serials, input.terms);
    plan.retire.push(...retired.map((serial) => ({ product: product.name, serial })));
    plan.kept += product.versions.length - retired.length;
  }
  plan.add.sort(
    (one, other) =>
      compareText(other.version.serial, one.version.serial) || compareText(one.product, other.product),
  );
  countBytes(plan, input.isStored);
  return { ...plan, skipped: skips.list() };
}

/** Why a product of another owner must not be changed; undefined for an own or new one. */
function foreign(here: HeldProduct | undefined, input: PlanInput): string | undefined {
  return here === undefined || here.owner === input.owner
    ? undefined
    : `the product is owned by ${here.owner}`;
}

function planProduct(
  plan: Plan,
  product: OfferedProduct,
  here: HeldProduct | undefined,
  input: PlanInput,
  skips: Skips,
): void {
  const name = productName(product.key);
  const serials = sortVersions(product.versions, here?.versions ?? [], input.isStored);
  const wanted = wantedSerials(serials, input.terms);
  const held = new Map(here?.versions.map((version) => [version.serial, version.items]));
  let lacking = 0;
  for (const version of product.versions) {
    const items = held.get(version.serial);
    if (items !== undefined && !sameFiles(version, items)) {
      skips.add(
        'it is published with other files, and a published version never changes',
        `${product.name} ${version.name}`,
      );
      continue;
    }
    if (!wanted.has(version.serial)) continue;
    const files =
      items === undefined
        ? filesOf(version, wanted)
        : lackingFiles(version, items, allFilesOf(version), input);
    if (files.length === 0) continue;
    if (items !== undefined) lacking += 1;
    const listed = items !== undefined;
    plan.add.push({
      product: name,
      key: product.key,
      details: product.details,
      version,
      listed,
      files,
      fetch: 0,
    });
  }
  // As if every download succeeded: the run looks again at what is stored by then.
  const retired = retiredSerials(
    {
      offered: serials.offered,
      held: new Set([...serials.held, ...wanted]),
      stored: new Set([...serials.stored, ...wanted]),
    },
    input.terms,
  );
  plan.retire.push(...retired.map((serial) => ({ product: name, serial })));
  plan.kept += serials.held.size - retired.length - lacking;
}

/** The files to download. A delta is useful only with its base; clients apply one at most. */
function filesOf(version: OfferedVersion, wanted: ReadonlySet<string>): (OfferedFile | OfferedDelta)[] {
  const [delta] = version.deltas
    .filter(({ base }) => wanted.has(base))
    .sort((one, other) => compareText(other.base, one.base));
  return allFilesOf({ ...version, deltas: delta === undefined ? [] : [delta] });
}

function allFilesOf({ metadata, roots, deltas }: OfferedVersion): (OfferedFile | OfferedDelta)[] {
  return [...(metadata === undefined ? [] : [metadata]), ...roots, ...deltas];
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
