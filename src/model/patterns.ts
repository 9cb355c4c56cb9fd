/**
 * Compiles patterns, in which `*` and `?` match anything and a leading `!` excludes. Case is ignored.
 * @returns whether any of some values matches a pattern without `!`, if there is one, and none matches one with `!`
 */
export function compilePatterns(patterns: readonly string[]): (values: readonly string[]) => boolean {
  const positive = patterns.filter((pattern) => !pattern.startsWith('!')).map(glob);
  const negative = patterns.filter((pattern) => pattern.startsWith('!')).map((text) => glob(text.slice(1)));
  return (values) => {
    const any = (tests: RegExp[]) => tests.some((test) => values.some((value) => test.test(value)));
    return (positive.length === 0 || any(positive)) && !any(negative);
  };
}

function glob(pattern: string): RegExp {
  const escaped = pattern.replaceAll(/[\\^$.|+()[\]{}]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 'is');
}
