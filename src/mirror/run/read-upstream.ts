import type { Catalog } from '../../catalog/catalog.ts';
import { ownerOf } from '../../catalog/products/mirror-owner.ts';
import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { HeadwaterError } from '../../errors.ts';
import { productName } from '../../model/names.ts';
import type { ProductWithVersions } from '../../model/versions.ts';
import type { Untyped } from '../../simplestreams/read/fields.ts';
import { dateOf, type IndexEntry } from '../../simplestreams/read/index-document.ts';
import { type OfferedProduct, type Skipped, Skips } from '../../simplestreams/read/offered.ts';
import { readOffer, type Totals } from '../../simplestreams/read/offered-document.ts';
import { type HeldProduct, makePlan, type Plan } from '../plan/plan.ts';
import type { Terms } from '../plan/retention.ts';
import { Selection } from '../plan/selection.ts';
import type { UpstreamDocuments } from '../upstream/documents.ts';
import type { MirrorParts } from './open-upstream.ts';
import type { MirrorState } from './state.ts';
import { storedDigests } from './stored-digests.ts';

/** How many documents that cannot be used are named: the rest are counted. */
const documentsNamed = 10;

/** What an upstream offers. */
export interface Survey {
  offered: OfferedProduct[];
  totals: Totals;
  selected: Totals;
  skipped: Skipped[];
  warnings: string[];
  /** Whether every document could be used and they belong together, so that what they lack is gone. */
  whole: boolean;
  /** Whether they belong together, as far as they could be used. */
  current: boolean;
  /** Whether every product that is selected has a version whose name can be read. */
  named: boolean;
  /** Whether only a change of them can bring more: nothing that the index names is missing. */
  complete: boolean;
}

/**
 * Reads everything that an upstream offers, and selects.
 * @throws HeadwaterError as `UpstreamDocuments.read`; and when none of the documents can be used, as of the first
 */
async function survey(
  definition: MirrorDefinition,
  documents: UpstreamDocuments,
  catalog: Catalog,
): Promise<Survey> {
  const { variant, deltas, file, name } = definition;
  const selection = new Selection(definition.select);
  const skips = new Skips();
  const totals: Totals = { products: 0, versions: 0 };
  const offered: OfferedProduct[] = [];
  const outdated: string[] = [];
  const unusable: HeadwaterError[] = [];
  const unnamed: string[] = [];
  const names = await catalog.versions.upstreamNames(ownerOf(name));
  const held = (product: string) => names.get(product) ?? [];
  let read = 0;
  for await (const { path, bytes, expected } of documents.read()) {
    try {
      const found = readOffer(bytes, path, { select: selection.apply, variant, deltas, skips, held });
      read += 1;
      offered.push(...found.offered);
      unnamed.push(...found.unnamed);
      totals.products += found.totals.products;
      totals.versions += found.totals.versions;
      const problem = outdatedProblem(expected, found);
      if (problem !== undefined) outdated.push(problem);
    } catch (error) {
      if (!(error instanceof HeadwaterError)) throw error;
      unusable.push(error);
    }
  }
  unusable.unshift(...documents.unreadable, ...documents.missing);
  if (read === 0 && unusable[0] !== undefined) throw unusable[0];
  for (const { message } of unusable) skips.add('a document that the index names cannot be used', message);
  if (totals.versions > 0) selection.assertFieldsExist(file);
  const versions = offered.reduce((sum, product) => sum + product.versions.length, 0);
  const idle =
    totals.versions === 0 ? ['the upstream offers nothing that can be used'] : idleRules(selection);
  return {
    offered,
    totals,
    selected: { products: offered.length, versions },
    skipped: skips.list(),
    warnings: [
      ...unusable
        .slice(0, documentsNamed)
        .map(({ message }) => `${message}: the rest is taken, and nothing is retired for it`),
      ...outdated,
      ...unnamed
        .slice(0, documentsNamed)
        .map((product) => `${product}: nothing of it can be taken: the names of its versions have no date`),
      ...idle.map((warning) => `${name}: ${warning}`),
    ],
    whole: outdated.length === 0 && unusable.length === 0,
    current: outdated.length === 0,
    named: unnamed.length === 0,
    complete: outdated.length === 0 && documents.missing.length === 0,
  };
}

function idleRules(selection: Selection): string[] {
  return selection.unmatched().map((rule) => `rule ${rule} of select matches nothing of the upstream`);
}

/** Caches between us and the upstream may give an old document beside a new index. @returns what tells, if so */
function outdatedProblem(
  expected: IndexEntry,
  { names, fields }: { names: ReadonlySet<string>; fields: Untyped },
): string | undefined {
  const { path } = expected;
  const missing = expected.products.filter((name) => !names.has(name));
  if (missing.length > 0) {
    return `${path} is older than the index: it lacks ${missing.length} of its products, such as ${missing[0]}`;
  }
  const updated = dateOf(fields['updated']);
  if (updated === undefined || expected.updated === undefined || updated >= expected.updated)
    return undefined;
  return `${path} is older than the index says: it is of ${updated.toISOString()}`;
}

/**
 * Surveys an upstream and compares it with what is here.
 * @param options.force look into the store too: what it lost is fetched again
 */
export async function surveyAndPlan(
  definition: MirrorDefinition,
  parts: Pick<MirrorParts, 'catalog' | 'store'>,
  documents: UpstreamDocuments,
  options: { force?: boolean },
): Promise<{ survey: Survey; plan: Plan; terms: Terms }> {
  const { name, stream, keep, mode } = definition;
  const found = await survey(definition, documents, parts.catalog);
  const terms = { keep, now: new Date(), whole: found.whole };
  const owner = ownerOf(name);
  const stored = await storedDigests(parts, options);
  const sources = mode === 'on-demand' ? await parts.catalog.sources.paths(name) : undefined;
  const plan = makePlan({
    offered: found.offered,
    held: await heldProducts(parts.catalog, owner, found.offered),
    owner,
    stream,
    terms,
    isStored: (digest) => stored.has(digest),
    ...(sources === undefined ? {} : { sourceOf: (digest) => sources.get(digest) }),
  });
  if (found.selected.versions > 0 && plan.add.length === 0 && plan.kept === 0) {
    found.warnings.push(`${name}: nothing of what is selected can be brought here: see what is skipped`);
  }
  return { survey: found, plan, terms };
}

/**
 * Refuses an upstream that suddenly offers far less than at the last run.
 * @throws HeadwaterError `conflict`
 */
export function assertNotShrunk(
  definition: MirrorDefinition,
  found: Survey,
  before: MirrorState | undefined,
  mark: string,
): void {
  // What is not known to be gone is not retired.
  if (before === undefined || !found.whole) return;
  const compare = (what: string, now: number, then: number) => {
    if (now >= then * (1 - definition.maxShrink / 100)) return;
    throw new HeadwaterError(
      'conflict',
      `mirror ${definition.name}: the upstream offers ${now} ${what}, and it offered ${then} before: that is more than ` +
        `maxShrink (${definition.maxShrink} %) allows; when that is right, run it once with --force`,
    );
  };
  compare('products', found.totals.products, before.totals.products);
  compare('versions', found.totals.versions, before.totals.versions);
  // What is selected can be compared only while the definition is the same.
  if (before.definition !== mark) return;
  compare('selected products', found.selected.products, before.selected.products);
  compare('selected versions', found.selected.versions, before.selected.versions);
}

/** The products of the catalog that a plan has to know: those of the mirror, and others with the same names. */
async function heldProducts(
  catalog: Catalog,
  owner: string,
  offered: OfferedProduct[],
): Promise<HeldProduct[]> {
  const names = new Set(offered.map(({ key }) => productName(key)));
  const held: HeldProduct[] = [];
  for await (const product of catalog.products.each()) {
    if (product.owner === owner || names.has(product.name)) held.push(slim(product));
  }
  return held;
}

function slim({ name, owner, stream, versions }: ProductWithVersions): HeldProduct {
  return {
    name,
    owner,
    stream,
    versions: versions.map(({ serial, items }) => ({
      serial,
      items: items.map(({ type, digest }) => ({ type, digest })),
    })),
  };
}
