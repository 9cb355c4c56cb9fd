import { HeadwaterError } from '../errors.ts';
import { parseArchitecture } from '../model/architecture.ts';
import type { VersionView } from './view/version-view.ts';

type Test = (version: VersionView) => boolean;

/** The keys of filters, with their values of a version. */
const fields: Record<string, (version: VersionView) => string[]> = {
  os: (version) => [version.os],
  release: (version) => [version.release],
  architecture: (version) => [version.architecture],
  variant: (version) => [version.variant],
  stream: (version) => [version.stream],
  type: (version) => version.images.map(({ type }) => type),
  alias: (version) => version.aliases,
  serial: (version) => [version.serial],
};

/** Accepted synonyms. */
const synonyms: Record<string, string> = { arch: 'architecture', vm: 'virtual-machine' };

/**
 * Parses filters of `list`: `key=value`, where the value may contain `*` and `?`, or a word that may occur anywhere.
 * @returns whether a version matches all of them
 * @throws HeadwaterError `usage` for an unknown key
 */
export function parseFilters(filters: readonly string[]): Test {
  const tests = filters.map(parseFilter);
  return (version) => tests.every((test) => test(version));
}

function parseFilter(filter: string): Test {
  const [, key, value] = /^([^=]*)=(.*)$/.exec(filter) ?? [];
  if (key === undefined || value === undefined) return contains(filter.toLowerCase());
  const name = synonyms[key] ?? key;
  const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (field === undefined) {
    throw new HeadwaterError(
      'usage',
      `filter ${filter}: ${key} is not one of ${Object.keys(fields).join(', ')}`,
    );
  }
  const matches = glob(normalise(name, value));
  return (version) => field(version).some((text) => matches(text));
}

/** Values may have other spellings: `arch=x86_64`, `type=vm`, `os=Debian`. */
function normalise(field: string, value: string): string {
  if (field === 'architecture' && !/[*?]/.test(value)) return parseArchitecture(value);
  if (field === 'type') return synonyms[value] ?? value;
  return field === 'alias' ? value : value.toLowerCase();
}

function contains(word: string): Test {
  return (version) =>
    [
      version.product,
      version.serial,
      version.stream,
      version.osTitle,
      version.releaseTitle,
      ...version.aliases,
      ...version.images.flatMap(({ type, fingerprint }) => [type, fingerprint]),
    ].some((text) => text.toLowerCase().includes(word));
}

function glob(pattern: string): (text: string) => boolean {
  const source = pattern.replaceAll(/[.*+?^${}()|[\]\\]/g, (sign) =>
    sign === '*' ? '.*' : sign === '?' ? '.' : `\\${sign}`,
  );
  const expression = new RegExp(`^${source}$`);
  return (text) => expression.test(text);
}
