import type { Catalog } from '../../catalog/catalog.ts';
import { ownerOf } from '../../catalog/products/ownership.ts';
import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { HeadwaterError, isKind } from '../../errors.ts';
import { type OfferedProduct, type Skipped, Skips } from '../../simplestreams/read/offered.ts';
import { type Offer, readOffer, type Totals } from '../../simplestreams/read/offered-document.ts';
import { type FoundDocument, foundDocument, notingListings } from '../evidence/found-documents.ts';
import { type AcceptedDocuments, acceptedDocuments } from '../guard/accepted-documents.ts';
import { AddressBehind, DocumentGuard, type ForcedDocument, guardedMirror } from '../guard/document-guard.ts';
import { outdatedProblem } from '../guard/outdated-document.ts';
import type { MirrorServices } from '../mirror-services.ts';
import { makePlan, type Plan } from '../plan/plan.ts';
import type { Terms } from '../plan/retention.ts';
import { Selection } from '../plan/selection.ts';
import { withdrawnKey, withoutWithdrawn } from '../plan/withdrawn.ts';
import type { ReadDocument, UpstreamDocuments } from '../upstream/documents.ts';
import { heldProducts, storedDigests } from './held.ts';

/** How many unusable documents are named; the others are counted. */
const maxDocumentsNamed = 10;

/** What an upstream offers, and what of it is selected. */
export interface UpstreamOffer {
  offered: OfferedProduct[];
  totals: Totals;
  selected: Totals;
  skipped: Skipped[];
  warnings: string[];
  /** Whether all documents were readable and consistent, so that a version they no longer list is really gone. */
  isComplete: boolean;
  /** Whether the readable documents are consistent. */
  current: boolean;
  /** Whether every selected product has a version whose name contains a date. */
  named: boolean;
  /** Whether the documents are consistent and none is missing, so that only a change of them can add versions. */
  complete: boolean;
  /** The documents to compare with the next time. */
  accepted: AcceptedDocuments;
  /** Documents that are followed because of `force`. */
  forced: ForcedDocument[];
  /** The documents that are followed, if they are to be kept. */
  documents: FoundDocument[];
}

/** How an upstream is read. */
interface Reading {
  force?: boolean;
  /** Whether {@link UpstreamOffer.documents} are wanted. */
  keepsDocuments?: boolean;
}

/** Every address that answers is behind: nothing of it is followed. */
export class UpstreamBehind extends HeadwaterError {
  /** What was found at each address. */
  readonly problems: string[];

  constructor(mirror: string, problems: string[]) {
    super(
      'conflict',
      `mirror ${mirror}: no address serves documents that can be followed: ${problems.join('; ')}`,
    );
    this.problems = problems;
  }
}

/**
 * Reads all documents of an upstream, and selects. Addresses whose documents are older than those that were followed before
 * are left out.
 * @throws HeadwaterError as `UpstreamDocuments.read`; when no document can be used, the error of the first; `conflict` when
 * the main address serves older documents; {@link UpstreamBehind} when it does not answer and the others do
 */
async function readUpstream(
  definition: MirrorDefinition,
  documents: UpstreamDocuments,
  catalog: Catalog,
  { force = false, keepsDocuments = false }: Reading,
): Promise<UpstreamOffer> {
  const before = await catalog.mirrors.accepted(definition.name, acceptedDocuments);
  const behind: string[] = [];
  for (;;) {
    try {
      const guard = new DocumentGuard(guardedMirror(definition), before, { force });
      const offer = await readOnce(definition, documents, catalog, { guard, keepsDocuments });
      return { ...offer, warnings: [...behind, ...offer.warnings] };
    } catch (error) {
      if (error instanceof AddressBehind) {
        behind.push(error.message);
        documents.exclude(error.base);
      } else if (behind.length > 0 && isKind(error, 'unavailable', 'not-found', 'forbidden')) {
        throw new UpstreamBehind(definition.name, [...behind, error.message]);
      } else {
        throw error;
      }
    }
  }
}

async function readOnce(
  definition: MirrorDefinition,
  documents: UpstreamDocuments,
  catalog: Catalog,
  { guard, keepsDocuments }: { guard: DocumentGuard; keepsDocuments: boolean },
): Promise<UpstreamOffer> {
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
  const isHeld = (product: string, serial: string) => held(product).some((one) => one.serial === serial);
  const kept: FoundDocument[] = [];
  const withdrawn = new Set((await catalog.withdrawals.list([definition.stream])).map(withdrawnKey));
  let read = 0;
  for await (const document of documents.read(guard)) {
    const { select, listings } = notingListings(selection.apply, isHeld);
    const found = offerOf(document, { select, variant, deltas, skips, held });
    if (found instanceof HeadwaterError) {
      unusable.push(found);
      continue;
    }
    const follow = guard.check(document, found.fields);
    read += 1;
    totals.products += found.totals.products;
    totals.versions += found.totals.versions;
    const problem = outdatedProblem(document.expected, found);
    if (problem !== undefined) {
      outdated.push(`${problem}: nothing of it is followed`);
      continue;
    }
    follow();
    if (keepsDocuments) kept.push(await foundDocument(document, found.fields, listings));
    offered.push(...withoutWithdrawn(found.offered, withdrawn, skips));
    unnamed.push(...found.unnamed);
  }
  unusable.unshift(...documents.unreadable, ...documents.missing);
  if (read === 0 && unusable[0] !== undefined) throw unusable[0];
  for (const { message } of unusable) skips.add('a document that the index names cannot be used', message);
  if (totals.versions > 0) selection.assertFieldsExist(file);
  const versions = offered.reduce((sum, product) => sum + product.versions.length, 0);
  const idle = totals.versions === 0 ? ['the upstream offers no usable images'] : idleRules(selection);
  return {
    offered,
    totals,
    selected: { products: offered.length, versions },
    skipped: skips.list(),
    warnings: [
      ...guard.warnings,
      ...guard.forced.map(({ path, problem }) => `${path}: accepted with --force: ${problem}`),
      ...unusable
        .slice(0, maxDocumentsNamed)
        .map(({ message }) => `${message}: the other documents are used, and nothing is retired`),
      ...outdated,
      ...unnamed
        .slice(0, maxDocumentsNamed)
        .map((product) => `${product}: skipped: the names of its versions have no date`),
      ...idle.map((warning) => `${name}: ${warning}`),
    ],
    isComplete: outdated.length === 0 && unusable.length === 0,
    current: outdated.length === 0,
    named: unnamed.length === 0,
    complete: outdated.length === 0 && documents.missing.length === 0,
    accepted: guard.accepted({ withIndex: outdated.length === 0 }),
    forced: guard.forced,
    documents: kept,
  };
}

/** @returns an error when it cannot be used */
function offerOf(
  { path, bytes }: ReadDocument,
  options: Parameters<typeof readOffer>[2],
): Offer | HeadwaterError {
  try {
    return readOffer(bytes, path, options);
  } catch (error) {
    if (!(error instanceof HeadwaterError)) throw error;
    return error;
  }
}

function idleRules(selection: Selection): string[] {
  return selection.unmatched().map((rule) => `rule ${rule} of select matches nothing`);
}

/**
 * Reads an upstream and plans a run.
 * @param options.force look into the store too: blobs that it lost are fetched again
 */
export async function readAndPlan(
  definition: MirrorDefinition,
  services: Pick<MirrorServices, 'catalog' | 'store'>,
  documents: UpstreamDocuments,
  options: Reading,
): Promise<{ offer: UpstreamOffer; plan: Plan; terms: Terms }> {
  const { name, stream, keep, mode } = definition;
  const offer = await readUpstream(definition, documents, services.catalog, options);
  const terms = { keep, now: new Date(), isComplete: offer.isComplete };
  const owner = ownerOf(name);
  const stored = await storedDigests(services, options);
  const sources = mode === 'on-demand' ? await services.catalog.sources.paths(name) : undefined;
  const plan = makePlan({
    offered: offer.offered,
    held: await heldProducts(services.catalog, { owner, stream }, offer.offered),
    owner,
    stream,
    terms,
    isStored: (digest) => stored.has(digest),
    ...(sources === undefined ? {} : { sourceOf: (digest) => sources.get(digest) }),
  });
  if (offer.selected.versions > 0 && plan.add.length === 0 && plan.kept === 0) {
    offer.warnings.push(`${name}: no selected version can be mirrored: see the skipped entries`);
  }
  return { offer, plan, terms };
}
