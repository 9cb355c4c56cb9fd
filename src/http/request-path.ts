/**
 * The path of a request target, decoded once and without empty segments: clients put double slashes and encode
 * what need not be (`//images//a%2Fb` has the segments `images` and `a/b`).
 * @returns undefined when it is no path, cannot be decoded, or climbs
 */
export function pathSegments(target: string): string[] | undefined {
  const end = target.search(/[?#]/);
  const path = end < 0 ? target : target.slice(0, end);
  if (!path.startsWith('/')) return undefined;
  const segments: string[] = [];
  for (const raw of path.split('/')) {
    if (raw === '' || raw === '.') continue;
    let segment: string;
    try {
      segment = raw.includes('%') ? decodeURIComponent(raw) : raw;
    } catch {
      return undefined;
    }
    if (segment === '..' || segment.includes('\0')) return undefined;
    segments.push(segment);
  }
  return segments;
}
