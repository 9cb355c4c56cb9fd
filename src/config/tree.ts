// Layers of settings: nested objects without a prototype, so that `__proto__` is an ordinary key.

export type Tree = { [key: string]: unknown };

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function emptyTree(): Tree {
  const tree: Tree = Object.create(null);
  return tree;
}

/** A copy of `value` without nulls: an empty entry of a YAML file counts as missing. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  return isTree(value) ? treeWithoutNulls(value) : (value ?? undefined);
}

/** {@link withoutNulls} of a tree. */
export function treeWithoutNulls(tree: Tree): Tree {
  const copy = emptyTree();
  for (const [key, member] of Object.entries(tree)) copy[key] = withoutNulls(member);
  return copy;
}

/** Sets a value at a path, and creates missing objects on the way. */
export function put(tree: Tree, path: readonly string[], value: unknown): void {
  let place = tree;
  for (const name of path.slice(0, -1)) {
    const next = place[name];
    const inner = isTree(next) ? next : emptyTree();
    place[name] = inner;
    place = inner;
  }
  const last = path.at(-1);
  if (last !== undefined) place[last] = value;
}

/** The value at a path, or undefined. */
export function get(tree: unknown, path: readonly PropertyKey[]): unknown {
  let place: unknown = tree;
  for (const name of path) {
    if (Array.isArray(place)) place = place[Number(name)];
    else if (isTree(place) && Object.hasOwn(place, name)) place = place[String(name)];
    else return undefined;
  }
  return place;
}

/**
 * Lays one layer over another: objects are merged, other values replaced. Objects with different `type` values
 * (`storage`) are replaced, too.
 */
export function lay(upper: unknown, lower: unknown): unknown {
  if (upper === undefined) return lower;
  if (!isTree(upper) || !isTree(lower)) return upper;
  const types = [upper['type'], lower['type']];
  if (types.every((type) => typeof type === 'string') && types[0] !== types[1]) return upper;
  const merged = emptyTree();
  for (const key of new Set([...Object.keys(lower), ...Object.keys(upper)])) {
    merged[key] = lay(upper[key], lower[key]);
  }
  return merged;
}
