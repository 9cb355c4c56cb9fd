/** The path of a request target as the client wrote it, without the query. */
export function rawPath(target: string): string {
  const end = target.search(/[?#]/);
  return end < 0 ? target : target.slice(0, end);
}

/**
 * The segments of the path of a document or an image file, below `/images` or in one of the
 * other trees. Clients put double slashes
 * there and encode what need not be; every other path is used as it is written, so that a proxy that denies one denies
 * all ways to write it.
 * @returns undefined when it is another path, or one that ends with a slash
 */
export function filePath(target: string): string[] | undefined {
  const path = rawPath(target);
  return /^\/+(images|streams\/+v1|meta\/+1\.0|sysupdate)\/.*[^/]$/.test(path)
    ? pathSegments(path)
    : undefined;
}

/**
 * The path of a request target, decoded once and without empty segments (`//images//a%2Fb` has the segments `images`
 * and `a/b`).
 * @returns undefined when it is not a path, cannot be decoded, or has a segment `.` or `..`
 */
export function pathSegments(target: string): string[] | undefined {
  const path = rawPath(target);
  if (!path.startsWith('/')) return undefined;
  const segments: string[] = [];
  for (const raw of path.split('/')) {
    if (raw === '') continue;
    let segment: string;
    try {
      segment = raw.includes('%') ? decodeURIComponent(raw) : raw;
    } catch {
      return undefined;
    }
    if (segment === '.' || segment === '..' || segment.includes('\0')) return undefined;
    segments.push(segment);
  }
  return segments;
}
