import { defined } from '../../model/defined.ts';
import type { RootfsFacts } from '../content.ts';

/**
 * Reads os-release (its manual page, os-release(5)).
 *
 * The release has its usual name:
 * - `current` for distributions that are never released, whatever version of their base files they name;
 * - `VERSION_CODENAME` where there is one that is a single word (Debian with its testing and sid, Ubuntu): `bookworm`;
 * - else the first two numbers of `VERSION_ID`, since a third is a patch level: `41`, `15.6`, Alpine's 3.20.1 as `3.20`;
 * - `edge` for Alpine's development branch, whose `VERSION_ID` is that of a release to come;
 * - `current` for others that are never released: those that say so (`BUILD_ID=rolling`), those whose
 *   `VERSION_ID` is the date of a snapshot (openSUSE Tumbleweed) and those without any version (Arch, Void, Gentoo).
 *   Not Debian: one without a version is an unfinished one, of which nothing is known.
 */
export function parseOsRelease(text: string): RootfsFacts {
  const fields = parseFields(text);
  const os = fields.get('ID');
  const release = releaseOf(fields);
  const version = fields.get('VERSION_ID');
  const title = fields.get('PRETTY_NAME');
  return {
    ...defined({ os: os?.toLowerCase(), release, version, title }),
  };
}

/**
 * Rolling distributions whose os-release may nevertheless name a version (Gentoo's is that of a package, Kali's a
 * snapshot).
 */
const rolling = new Set([
  'arch',
  'archarm',
  'artix',
  'cachyos',
  'chimera',
  'endeavouros',
  'exherbo',
  'funtoo',
  'gentoo',
  'kali',
  'manjaro',
  'opensuse-slowroll',
  'opensuse-tumbleweed',
  'void',
]);

function releaseOf(fields: Map<string, string>): string | undefined {
  const os = fields.get('ID');
  const version = fields.get('VERSION_ID');
  if (os !== undefined && rolling.has(os.toLowerCase())) return 'current';
  const codename = fields.get('VERSION_CODENAME');
  if (codename !== undefined && /^[\w.+~-]+$/.test(codename)) return codename.toLowerCase();
  if (os === 'alpine' && version !== undefined && /_alpha|_pre|_git/.test(version)) return 'edge';
  if (fields.get('BUILD_ID') === 'rolling' || (version !== undefined && /^\d{8}$/.test(version))) {
    return 'current';
  }
  if (version !== undefined) return version.replace(/^(\d+\.\d+)\.\d+$/, '$1').toLowerCase();
  return os === undefined || os === 'debian' ? undefined : 'current';
}

/** The non-empty assignments, without quotes. */
function parseFields(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, key, raw] = /^\s*([A-Z][A-Z0-9_]*)=(.*?)\s*$/.exec(line) ?? [];
    if (key === undefined || raw === undefined) continue;
    const value = unquote(raw);
    // Names, titles and log lines must not contain control characters.
    if (value !== '' && !/[\u0000-\u001f\u007f]/.test(value)) fields.set(key, value);
  }
  return fields;
}

function unquote(raw: string): string {
  const [, single] = /^'(.*)'$/.exec(raw) ?? [];
  if (single !== undefined) return single;
  const [, double] = /^"(.*)"$/.exec(raw) ?? [];
  return (double ?? raw).replace(/\\(.)/g, '$1');
}
