/** The keys of an object that has no others than its type says, such as a table that is written in the source. */
export function keysOf<Key extends string>(table: Readonly<Record<Key, unknown>>): Key[] {
  // TypeScript gives `string[]`, because an object may have more keys than its type.
  return Object.keys(table) as Key[];
}
