import type { Untyped } from '../../simplestreams/read/fields.ts';
import type { IndexEntry } from '../../simplestreams/read/index-document.ts';
import { readUpdated } from '../../simplestreams/read/updated.ts';

/** Finds a document that is older than the index: a cache may serve one beside a new index. @returns how it shows */
export function outdatedProblem(
  expected: IndexEntry,
  { names, fields }: { names: ReadonlySet<string>; fields: Untyped },
): string | undefined {
  const { path } = expected;
  const missing = expected.products.filter((name) => !names.has(name));
  if (missing.length > 0) {
    return `${path} is older than the index: it lacks ${missing.length} of its products, such as ${missing[0]}`;
  }
  const updated = readUpdated(fields['updated']);
  if (updated === undefined || expected.updated === undefined || updated >= expected.updated)
    return undefined;
  return `${path} is older than the index says: it is of ${updated.toISOString()}`;
}
