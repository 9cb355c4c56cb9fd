import { Batcher } from '../../async/batcher.ts';
import type { Outcome } from '../../async/outcome.ts';
import { HeadwaterError } from '../../errors.ts';
import { productName } from '../../model/names.ts';
import type { Permit } from '../../model/rights.ts';
import type { Item, VersionDraft } from '../../model/versions.ts';
import type { Change } from '../database/change.ts';
import type { Database } from '../database/database.ts';
import { isDatabaseFailure } from '../database/database-failure.ts';
import { removeFalseClaims } from '../images/fingerprint-rows.ts';
import { chargeVersion, type PublishedBy, type Quotas } from '../quotas.ts';
import { giveAlias } from './alias-rows.ts';
import {
  addVersions,
  aliasNames,
  demandedAliases,
  type Placed,
  type Publication,
  plainOnes,
  published,
  recordedDigests,
} from './bulk-publish.ts';
import { ownNames } from './ownership.ts';
import { haveSameFiles, serialFor } from './serial-for.ts';
import { claimProduct, describeProducts, findVersion } from './version-rows.ts';
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

/** A version to record, with the check that its blobs are stored. */
interface Request extends Publication {
  assertStored: AssertStored;
  /** The quotas for versions that an identity publishes. */
  quotas: Quotas;
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
 * Publishes versions, each all or nothing by itself. Publications that only add a version to an existing product need
 * no decision, and are added together; each of the others is prepared, and then added in the same way.
 */
async function publishAll(change: Change, group: readonly Request[]): Promise<Outcome<PublishOutcome>[]> {
  const recorded = await recordedDigests(
    change.db,
    group.flatMap(({ draft }) => draft.items.map(({ digest }) => digest)),
  );
  const made = new Map<Request, Outcome<PublishOutcome>>();
  const fit = [];
  // If a quota may refuse a publication, each must see the previous ones.
  const plain = group.some((one) => isBounded(change, one)) ? [] : await plainOnes(change.db, group);
  for (const placed of plain) {
    try {
      await demandPublish(placed.one.draft, change.permit);
      await assertAllStored(placed.one, recorded);
      fit.push(placed);
      made.set(placed.one, { result: { outcome: 'created', withheldAliases: [] } });
    } catch (error) {
      if (isDatabaseFailure(error)) throw error;
      made.set(placed.one, { error });
    }
  }
  if (fit.length > 0) await addVersions(change, fit);
  const outcomes: Outcome<PublishOutcome>[] = [];
  for (const one of group) {
    outcomes.push(made.get(one) ?? (await change.attempt(() => publishOne(change, one, recorded))));
  }
  return outcomes;
}

async function publishOne(
  change: Change,
  one: Request,
  recorded: ReadonlySet<string>,
): Promise<PublishOutcome> {
  await demandPublish(one.draft, change.permit);
  const product = await claimProduct(change, one.draft);
  const serial = await serialFor(change.db, product.id, one.draft);
  const draft = { ...one.draft, serial };
  const renamed = serial === one.draft.serial ? {} : { serial };
  const existing = await findVersion(change.db, product.id, serial);
  if (existing !== undefined) {
    assertSameFiles(draft, existing.items);
    if (existing.removed_at === null) return { outcome: 'unchanged', ...renamed, withheldAliases: [] };
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
  const placed = { one: { ...one, draft }, productId: product.id };
  if (existing === undefined) await addVersions(change, [placed]);
  else await showAgain(change, placed, { id: existing.id, charge });
  return { outcome: 'created', ...renamed, withheldAliases };
}

/** Puts a removed version back into the documents. */
async function showAgain(
  change: Change,
  { one: { draft }, productId }: Placed,
  { id, charge }: { id: number; charge: PublishedBy },
): Promise<void> {
  await describeProducts(change, new Map([[productId, draft.details]]));
  await change.db
    .updateTable('versions')
    .set({ removed_at: null, ...charge })
    .where('id', '=', id)
    .execute();
  await removeFalseClaims(change, [draft.items]);
  await change.audit(published(draft));
}

/** Whether a quota may refuse a version. */
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
      'a published version never changes, publish under a newer serial (--serial)',
  );
}
