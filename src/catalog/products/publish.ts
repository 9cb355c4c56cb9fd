import { Batcher } from '../../async/batcher.ts';
import { type Outcome, outcomeOf } from '../../async/outcome.ts';
import { HeadwaterError } from '../../errors.ts';
import { productName } from '../../model/names.ts';
import type { Permit } from '../../model/rights.ts';
import type { Item, VersionDraft } from '../../model/versions.ts';
import { assertNotWithdrawn } from '../bundles/withdrawals.ts';
import { type AuditEvent, warningsOf } from '../database/audit-record.ts';
import type { Change } from '../database/change.ts';
import type { Database } from '../database/database.ts';
import { isDatabaseFailure } from '../database/database-failure.ts';
import { putEvidence } from '../evidence/evidence-rows.ts';
import { removeFalseClaims } from '../images/fingerprint-rows.ts';
import { chargeVersion, type PublishedBy, publishedBy, type Quotas } from '../quotas.ts';
import { giveAlias } from './alias-rows.ts';
import { recordedDigests } from './blob-rows.ts';
import { ownNames } from './ownership.ts';
import { aliasNames, PlainVersions } from './plain-versions.ts';
import { haveSameFiles, serialFor } from './serial-for.ts';
import { claimProduct, describeProducts, findVersion, insertVersions } from './version-rows.ts';
import { assertFree, describeTaken } from './visible-names.ts';

/**
 * Looks a blob up in the store and throws when it is not completely stored. Runs inside the transaction that names the
 * blob, which is what keeps garbage collection from removing it at the same moment.
 * @param isRecorded whether the catalog was seen to know the blob there: what was collected meanwhile it does not
 */
export type AssertStored = (blob: { digest: string; size: number }, isRecorded: boolean) => Promise<void>;

export interface PublishOutcome {
  outcome: 'created' | 'unchanged';
  /** If it differs from that of the draft (`VersionDraft.serialIsDerived`). */
  serial?: string;
  /** Default aliases that point to another product: left out. */
  withheldAliases: { alias: string; owner: string }[];
}

/** A version to publish, with the check that its blobs are stored. */
interface Request {
  draft: VersionDraft;
  now: Date;
  assertStored: AssertStored;
  /** The quotas for versions that an identity publishes. */
  quotas: Quotas;
}

/** A version about to be added to a product. */
interface Prepared {
  draft: VersionDraft;
  now: Date;
  productId: number;
}

/** What becomes of a version: nothing is left to add where it exists. */
interface Preparation {
  answer: PublishOutcome;
  version?: Prepared;
}

/** Publishes versions (`Versions.publish`), those together in one change that come while one waits for its turn. */
export class PublishQueue {
  readonly #batcher: Batcher<Request, PublishOutcome>;

  constructor(database: Database) {
    this.#batcher = new Batcher(
      (take) => database.grow((change) => publishAll(change, take())),
      // A mirror run that publishes many small versions probably continues to do so.
      { linger: { afterRequests: 4, milliseconds: 10 } },
    );
  }

  async publish(request: Request): Promise<PublishOutcome> {
    return await this.#batcher.do(request);
  }
}

/**
 * Publishes versions, each all or nothing by itself, with the same result as one after the other. Versions that need a
 * decision are prepared one by one; the same statements insert all of them.
 */
async function publishAll(change: Change, group: readonly Request[]): Promise<Outcome<PublishOutcome>[]> {
  const drafts = group.map(({ draft }) => draft);
  const plain = await PlainVersions.read(change.db, drafts);
  const recorded = await recordedDigests(
    change.db,
    drafts.flatMap(({ items }) => items.map(({ digest }) => digest)),
  );
  const outcomes: Outcome<PublishOutcome>[] = [];
  const waiting: Prepared[] = [];
  for (const one of group) {
    const productId = isBounded(change, one) ? undefined : plain.productOf(one.draft);
    // A decision depends on the previous versions.
    if (productId === undefined) await addVersions(change, waiting.splice(0));
    const prepared = await (productId === undefined
      ? change.attempt(() => decide(change, one, recorded))
      : checkPlain(change, one, { recorded, productId }));
    if ('error' in prepared) {
      outcomes.push(prepared);
      continue;
    }
    const { answer, version } = prepared.result;
    outcomes.push({ result: answer });
    if (version === undefined) continue;
    const withheld = answer.withheldAliases.map(({ alias }) => alias);
    plain.add(version.draft, version.productId, withheld);
    waiting.push(version);
  }
  await addVersions(change, waiting);
  return outcomes;
}

/** Checks a version that needs no decision: nothing is written that a failure would have to take back. */
async function checkPlain(
  change: Change,
  one: Request,
  { productId, recorded }: { productId: number; recorded: ReadonlySet<string> },
): Promise<Outcome<Preparation>> {
  const checked = await outcomeOf(async () => {
    await demandPublish(one.draft, change.permit);
    await assertAllStored(one, recorded);
    const answer: PublishOutcome = { outcome: 'created', withheldAliases: [] };
    return { answer, version: { draft: one.draft, now: one.now, productId } };
  });
  if ('error' in checked && isDatabaseFailure(checked.error)) throw checked.error;
  return checked;
}

/** Decides about a version: gives it a product, a serial and its aliases, or brings back one that was removed. */
async function decide(change: Change, one: Request, recorded: ReadonlySet<string>): Promise<Preparation> {
  await demandPublish(one.draft, change.permit);
  const product = await claimProduct(change, one.draft);
  const serial = await serialFor(change.db, product.id, one.draft);
  const draft = { ...one.draft, serial };
  const renamed = serial === one.draft.serial ? {} : { serial };
  await assertNotWithdrawn(change.db, draft);
  const existing = await findVersion(change.db, product.id, serial);
  if (existing !== undefined) {
    assertSameFiles(draft, existing.items);
    if (existing.removed_at === null)
      return { answer: { outcome: 'unchanged', ...renamed, withheldAliases: [] } };
  }
  const target = { stream: draft.stream, owner: draft.owner, ...draft.product };
  for (const alias of demandedAliases(draft)) await assertFree(change, alias, target);
  const charge = await chargeVersion(change, one.quotas, draft);
  await assertAllStored(one, recorded);

  const withheldAliases = [];
  for (const alias of aliasNames(draft)) {
    const isTaken = await giveAlias(change, alias, target);
    if (isTaken) withheldAliases.push({ alias, owner: await describeTaken(change, alias, target) });
  }
  const answer: PublishOutcome = { outcome: 'created', ...renamed, withheldAliases };
  const version = { draft, now: one.now, productId: product.id };
  if (existing === undefined) return { answer, version };
  await showAgain(change, version, { id: existing.id, charge });
  return { answer };
}

/** Adds prepared versions to their products, all of them with a few statements. */
async function addVersions(change: Change, versions: readonly Prepared[]): Promise<void> {
  if (versions.length === 0) return;
  const idOf = await insertVersions(
    change,
    versions.map(({ draft, productId, now }) => ({
      ...draft,
      productId,
      publishedAt: now,
      charge: publishedBy(change, draft.items),
    })),
  );
  await putEvidence(
    change,
    versions.flatMap((version) =>
      evidenceOf(version, idOf({ productId: version.productId, serial: version.draft.serial })),
    ),
  );
  await removeFalseClaims(
    change,
    versions.map(({ draft }) => draft.items),
  );
  // Of several versions of a product, the details of the last one apply, as if they were published one after the other.
  await describeProducts(change, new Map(versions.map(({ productId, draft }) => [productId, draft.details])));
  await change.audit(...versions.map(({ draft }) => published(draft)));
}

/** Puts a removed version back into the documents. */
async function showAgain(
  change: Change,
  { draft, productId, now }: Prepared,
  { id, charge }: { id: number; charge: PublishedBy },
): Promise<void> {
  await describeProducts(change, new Map([[productId, draft.details]]));
  await change.db
    .updateTable('versions')
    .set({ removed_at: null, ...charge })
    .where('id', '=', id)
    .execute();
  await putEvidence(change, evidenceOf({ draft, now }, id));
  await removeFalseClaims(change, [draft.items]);
  await change.audit(published(draft));
}

/** The evidence for a version from elsewhere, for {@link putEvidence}. */
function evidenceOf({ draft: { evidence }, now }: Pick<Prepared, 'draft' | 'now'>, id: number) {
  return evidence === undefined ? [] : [{ id, evidence, recordedAt: now }];
}

/** Whether a quota may refuse a version, so that its publish must see the previous ones. */
function isBounded({ permit }: Change, { quotas }: Request): boolean {
  return permit.uploader !== undefined && (quotas.stream !== undefined || quotas.entry !== undefined);
}

async function demandPublish(draft: VersionDraft, permit: Permit): Promise<void> {
  const { stream } = draft;
  const isNamedByCaller = true;
  const names = ownNames({ ...draft, ...draft.product }, []);
  await permit.demand('publish', { stream, names, isNamedByCaller });
  for (const alias of demandedAliases(draft))
    await permit.demand('publish', { stream, names: [alias], isNamedByCaller });
}

async function assertAllStored(
  { draft, assertStored }: Request,
  recorded: ReadonlySet<string>,
): Promise<void> {
  await Promise.all(draft.items.map((item) => assertStored(item, recorded.has(item.digest))));
}

function assertSameFiles(draft: VersionDraft, existing: Item[]): void {
  if (haveSameFiles(draft.items, existing)) return;
  throw new HeadwaterError(
    'conflict',
    `product ${productName(draft.product)} already has a version ${draft.serial} with other files: ` +
      'a published version never changes: publish it with a newer serial',
    { fields: ['serial'] },
  );
}

/** The entry of a publish in the audit log. */
function published(draft: VersionDraft): AuditEvent {
  const { stream } = draft;
  return {
    action: 'version.publish',
    subject: `${productName(draft.product)}@${draft.serial}`,
    details: { stream, aliases: demandedAliases(draft), ...warningsOf(draft) },
  };
}

/** The aliases without which a version is not published. */
function demandedAliases({ aliases }: Pick<VersionDraft, 'aliases'>): string[] {
  return aliases.filter(({ ifTaken }) => ifTaken === 'refuse').map(({ name }) => name);
}
