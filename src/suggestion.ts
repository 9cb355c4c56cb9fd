/** The most similar name to a mistyped one; undefined if none is similar enough. */
export function suggest(word: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  // A typing error changes at most a third of the letters.
  let limit = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const name of names) {
    const distance = distanceBetween(word.toLowerCase(), name.toLowerCase());
    if (distance >= limit) continue;
    best = name;
    limit = distance;
  }
  return best;
}

/** The number of letters to insert, delete, replace or swap with a neighbour (optimal string alignment). */
function distanceBetween(one: string, other: string): number {
  let [before, last]: [number[], number[]] = [
    [],
    Array.from({ length: other.length + 1 }, (_, index) => index),
  ];
  for (let row = 1; row <= one.length; row += 1) {
    const next = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const isSame = one[row - 1] === other[column - 1];
      const isSwapped =
        row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      next.push(
        Math.min(
          (last[column] ?? 0) + 1,
          (next[column - 1] ?? 0) + 1,
          (last[column - 1] ?? 0) + (isSame ? 0 : 1),
          isSwapped ? (before[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    [before, last] = [last, next];
  }
  return last[other.length] ?? 0;
}
