import type { GeneratedKind } from '../../model/generated-files.ts';
import type { Change } from '../database/change.ts';
import type { AssertStored } from '../products/publish.ts';
import { assertWithin, type Quotas } from '../quotas.ts';

/** A generated file to record. */
export interface NewGeneratedFile {
  versionId: number;
  kind: GeneratedKind;
  digest: string;
  /** Bytes. */
  size: number;
  /** The digest of the item that it was made from; undefined where it depends on no bytes. */
  source?: string;
}

/** Forgets the generated files with these bytes: they are made again. */
export async function forgetGenerated(change: Change, digest: string): Promise<void> {
  const { numDeletedRows } = await change.db
    .deleteFrom('generated_files')
    .where('digest', '=', digest)
    .executeTakeFirst();
  // The indexes that list such files follow the revision.
  if (numDeletedRows > 0n) await change.revision();
}

/**
 * Records a generated file.
 * @param options.quotasOf the limits that the file must fit in with its version
 * @returns false when the version was removed
 * @throws HeadwaterError `too-large`, or of `assertStored`
 */
export async function addGenerated(
  change: Change,
  { versionId, kind, digest, size, source }: NewGeneratedFile,
  { assertStored, quotasOf }: { assertStored: AssertStored; quotasOf: (stream: string) => Quotas },
): Promise<boolean> {
  const version = await change.db
    .selectFrom('versions')
    .innerJoin('products', 'products.id', 'versions.product_id')
    .leftJoin('pushed', 'pushed.version_id', 'versions.id')
    .select(['products.stream', 'versions.published_by', 'pushed.pushed_by'])
    .where('versions.id', '=', versionId)
    .where('versions.removed_at', 'is', null)
    .executeTakeFirst();
  if (version === undefined) return false;
  const { stream } = version;
  const pushedBy = version.published_by ?? version.pushed_by;
  if (pushedBy !== null) await assertWithin(change, quotasOf(stream), { stream, pushedBy }, size);
  const recorded = await change.db
    .selectFrom('blobs')
    .select('digest')
    .where('digest', '=', digest)
    .executeTakeFirst();
  await assertStored({ digest, size }, recorded !== undefined);
  await change.db
    .insertInto('generated_files')
    .values({ version_id: versionId, kind, digest, size, source: source ?? null })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return true;
}
