import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { familyOf, productName } from '../../model/names.ts';
import type { Item, ProductDetails } from '../../model/versions.ts';
import { warningsOf } from '../database/audit-record.ts';
import type { Change } from '../database/change.ts';
import type { Database } from '../database/database.ts';
import { productsOf, touchFamily } from '../products/alias-rows.ts';
import { ownTarget, pushOwner } from '../products/ownership.ts';
import { unnamedFamily } from '../products/product-of-alias.ts';
import type { AssertStored } from '../products/publish.ts';
import { claimProduct, describeProducts, insertVersions } from '../products/version-rows.ts';
import { type Allowance, allowance, assertWithin, type QuotaScope, type Quotas } from '../quotas.ts';
import { removeFalseClaims } from './fingerprint-rows.ts';
import { familyOfAlias, pointAlias } from './pushed-aliases.ts';
import { differences, type Editable, type PushedDetails, toDetails, toRow } from './pushed-details.ts';
import { findOwn, findReplaced, fingerprintsOf, prune, subjectOf } from './pushed-rows.ts';
import {
  assertListedOnce,
  findPlaced,
  isNewest,
  isShown,
  nextSerial,
  retire,
  type VersionPlace,
} from './pushed-versions.ts';

/** A pushed image about to be recorded: all its blobs are in the store. */
export interface PushDraft {
  stream: string;
  architecture: string;
  details: ProductDetails;
  /** The fingerprint of its one root. */
  fingerprint: string;
  items: Item[];
  /** They point to the image afterwards; the first names its product. */
  aliases: { name: string; description?: string }[];
  hidden: boolean;
  pushed: PushedDetails;
  /** Rules that the image breaks and that are set to `warn`: for the audit log. */
  warnings?: string[];
  /** The version that it replaces: it gets the aliases that then point to that one, in place of `aliases`. */
  replaces?: VersionPlace;
}

/** The result of a push. */
export interface PushOutcome extends VersionPlace {
  /** `unchanged`: the stream had the image already. */
  outcome: 'created' | 'unchanged';
}

/** Records images that clients push, and changes them. */
export class Pushed {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Atomically records a pushed image, as the newest version of the product of its first alias. Versions beyond the
   * newest `keep` of that product are removed, unless an alias is pinned to them. An image that the stream has already,
   * in a product that the actor may change, stays where it is and gets the aliases, and is kept up to date if
   * requested; if the image is only in other products, the actor gets a new version with the same bytes.
   * @throws HeadwaterError `not-found` and `conflict` when the version to replace is gone, or is no longer the newest;
   * `conflict` when an alias points to a product of another owner, or when the image is already public as another
   * version; `forbidden`; `too-large`; errors of `assertStored`
   */
  async push(
    asked: PushDraft,
    options: { assertStored: AssertStored; quotas: Quotas; keep?: number; now?: Date },
  ): Promise<PushOutcome> {
    const { now = new Date() } = options;
    return await this.#database.grow(async (change) => {
      const { replaces } = asked;
      const replaced = replaces === undefined ? undefined : await findReplaced(change, replaces);
      const draft = replaced === undefined ? asked : { ...asked, aliases: replaced.aliases };
      const { stream, fingerprint } = draft;
      const names = draft.aliases.map(({ name }) => name);
      await change.permit.demand('publish', { stream, isNamedByCaller: true });
      for (const name of names)
        await change.permit.demand('publish', { stream, names: [name], isNamedByCaller: true });
      const known = await findOwn(change, draft, replaced?.version.product_id);
      const isMadePublic = known?.hidden === 1 && !draft.hidden;
      await removeFalseClaims(change, [draft.items]);
      if (!draft.hidden && known?.hidden !== 0) await assertListedOnce(change, [fingerprint], known?.id);
      if (isMadePublic) {
        await change.db.updateTable('versions').set({ hidden: 0 }).where('id', '=', known.id).execute();
        await touchFamily(change, known);
      }
      const { updateSource } = draft.pushed;
      if (known !== undefined && updateSource !== undefined) {
        await change.db
          .updateTable('pushed')
          .set({ auto_update: 1, update_source: JSON.stringify(updateSource) })
          .where('version_id', '=', known.id)
          .execute();
      }
      let version =
        known ?? (await findPlaced(change.db, await this.#add(change, draft, { ...options, now })));
      for (const alias of draft.aliases) {
        version = await pointAlias(change, alias, version, now);
      }
      // Without a name there is no product that it could be a newer version of.
      if (replaced?.aliases.length === 0 && replaced.version.id !== version.id)
        await retire(change, replaced.version, now);
      const place = { stream, product: version.name, serial: version.serial };
      await change.audit({
        action: 'image.push',
        subject: subjectOf(version),
        details: {
          fingerprint,
          aliases: names,
          public: version.hidden === 0 || isMadePublic,
          ...defined({ known: known !== undefined || undefined, madePublic: isMadePublic || undefined }),
          ...warningsOf(draft),
        },
      });
      if (options.keep !== undefined) await prune(change, version, options.keep, now);
      return { ...place, outcome: known === undefined ? 'created' : 'unchanged' };
    });
  }

  /** The bytes that may still be pushed, and the quota that sets this limit. */
  async allowance(quotas: Quotas, scope: Omit<QuotaScope, 'permit'>): Promise<Allowance> {
    return await allowance(this.#database.reads, quotas, { ...scope, permit: this.#database.permit });
  }

  /**
   * Changes the details of a pushed image.
   * @param edit gets the present details and returns the new ones; no other change can come between
   * @throws HeadwaterError `not-found`; `conflict` for an image that was published, not pushed, and for one that would
   * be public and is so in another stream already
   */
  async edit(place: VersionPlace, edit: (current: Editable) => Editable): Promise<void> {
    await this.#database.change(async (change) => {
      const version = await findPlaced(change.db, place);
      await change.permit.demand('publish', await ownTarget(change.db, version));
      const row = await change.db
        .selectFrom('pushed')
        .selectAll()
        .where('version_id', '=', version.id)
        .executeTakeFirst();
      if (row === undefined) {
        throw new HeadwaterError(
          'conflict',
          'this image was published, not pushed: its properties are part of its version and cannot be edited',
        );
      }
      const before = { pushed: toDetails(row), hidden: version.hidden === 1 };
      const after = edit(before);
      const { pushed, hidden } = after;
      if (!hidden && version.hidden === 1) {
        await assertListedOnce(change, await fingerprintsOf(change.db, version.id), version.id);
      }
      await change.db.updateTable('pushed').set(toRow(pushed)).where('version_id', '=', version.id).execute();
      await change.db
        .updateTable('versions')
        .set({ hidden: hidden ? 1 : 0 })
        .where('id', '=', version.id)
        .execute();
      await touchFamily(change, version);
      const fingerprint = (await fingerprintsOf(change.db, version.id))[0] ?? '';
      await change.audit({
        action: 'image.edit',
        subject: subjectOf(version),
        details: { fingerprint, ...differences(before, after) },
      });
    });
  }

  /**
   * Removes the version of an image, and the aliases that point to nothing else.
   * @throws HeadwaterError `not-found`
   */
  async remove(place: VersionPlace, now = new Date()): Promise<void> {
    await this.#database.change(async (change) => {
      const version = await findPlaced(change.db, place);
      await change.permit.demand('remove', await ownTarget(change.db, version));
      const leads = await isNewest(change.db, version);
      const fingerprint = (await fingerprintsOf(change.db, version.id))[0] ?? '';
      const aliases = await retire(change, version, now);
      const sibling = await change.db
        .selectFrom('versions')
        .innerJoin('products', 'products.id', 'versions.product_id')
        .select('versions.id')
        .where(({ and }) => and(productsOf(version)))
        .where('products.architecture', '!=', version.architecture)
        .where('versions.removed_at', 'is', null)
        .executeTakeFirst();
      if (leads && sibling === undefined) {
        const gone = await change.db
          .deleteFrom('aliases')
          .where(({ and }) => and(familyOf(version)))
          .where('version_id', 'is', null)
          .returning('name')
          .execute();
        aliases.push(...gone.map(({ name }) => name));
      }
      await change.audit({
        action: 'image.delete',
        subject: subjectOf(version),
        details: { fingerprint, aliases: aliases.sort() },
      });
    });
  }

  async #add(
    change: Change,
    draft: PushDraft,
    { assertStored, quotas, now }: { assertStored: AssertStored; quotas: Quotas; now: Date },
  ): Promise<VersionPlace> {
    const { stream, items, pushed } = draft;
    const bytes = items.reduce((sum, { size }) => sum + size, 0);
    await assertWithin(change, quotas, { stream, pushedBy: pushed.pushedBy }, bytes);
    for (const item of items) await assertStored(item, false);
    const [first] = draft.aliases;
    const family =
      first === undefined
        ? { stream, ...unnamedFamily(stream, draft.fingerprint) }
        : await familyOfAlias(change.db, first.name, stream);
    const { os, release, variant } = family;
    const product = { os, release, variant, architecture: draft.architecture };
    const { id } = await claimProduct(change, { ...draft, product, owner: pushOwner(stream) });
    await (draft.hidden && (await isShown(change.db, id))
      ? touchFamily(change, family)
      : describeProducts(change, new Map([[id, draft.details]])));
    const serial = await nextSerial(change.db, id, now);
    const { hidden } = draft;
    const version = { productId: id, serial, label: 'release', items, hidden, publishedAt: now };
    const idOf = await insertVersions(change, [version]);
    await change.db
      .insertInto('pushed')
      .values({ version_id: idOf(version), bytes, pushed_by: pushed.pushedBy, ...toRow(pushed) })
      .execute();
    return { stream, product: productName(product), serial };
  }
}
