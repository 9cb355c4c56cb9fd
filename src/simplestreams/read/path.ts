import { HeadwaterError } from '../../errors.ts';

/**
 * Checks a path that an upstream's document names, and gives it without what changes nothing. It stays below the
 * upstream's base: no `..`, no address of another server, nothing that could be taken for one when it is decoded.
 * @param where the path's place in messages
 * @throws HeadwaterError `invalid`
 */
export function upstreamPath(path: string, where: string): string {
  const parts = pathParts(path);
  const bad =
    parts.length === 0 ||
    path.length > 1000 ||
    /[\0-\x1f\x7f\\?#]/.test(path) ||
    /^[a-z][a-z0-9+.-]*:\/\//i.test(path) ||
    parts.some((part) => decoded(part) === undefined || /^\.\.?$|[/\\\0]/.test(decoded(part) ?? ''));
  if (!bad) return parts.join('/');
  throw new HeadwaterError(
    'invalid',
    `${where}: ${JSON.stringify(path.slice(0, 200))} points outside of the upstream, or is not a path`,
  );
}

/** A path without what changes nothing, unchecked: to compare it with checked ones. */
export function plainPath(path: string): string {
  return pathParts(path).join('/');
}

function pathParts(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    // A percent sign that encodes nothing.
    return undefined;
  }
}
