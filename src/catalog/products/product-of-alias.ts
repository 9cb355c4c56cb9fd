import { hash } from 'node:crypto';
import type { Family } from '../../model/names.ts';

// A product's name has narrower letters than an alias, and at most 64 of them. Both forms begin with what the other
// can never begin with, so no two aliases, and no alias and image, share a product.

/** What a `~` in an encoded alias is never followed by: the other forms. */
const hashed = '0~h';
const unnamed = '0~i';
const longest = 64;

/**
 * The release under which the versions pushed to an alias are kept: the alias itself where its letters allow,
 * `team+app` for `team/app`, `~` and two hexadecimal digits for what cannot stand in a name. Different aliases have
 * different ones.
 */
export function releaseOfAlias(alias: string): string {
  const encoded = alias.replaceAll(/[^a-z0-9._/-]/g, (letter) => `~${code(letter)}`).replaceAll('/', '+');
  const release = encoded.startsWith('~') ? `0~~${encoded}` : encoded;
  if (release.length <= longest) return release;
  return hashed + hash('sha256', alias).slice(0, longest - hashed.length);
}

/** The alias that a release is named after; undefined where its name cannot be told from it. */
export function aliasOfRelease(release: string): string | undefined {
  const alias = release
    .replace(/^0~~/, '')
    .replaceAll('+', '/')
    .replaceAll(/~([0-9a-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  return releaseOfAlias(alias) === release ? alias : undefined;
}

/** The family of an image that was pushed without an alias. */
export function unnamedFamily(stream: string, fingerprint: string): Family {
  const release = unnamed + fingerprint.slice(0, longest - unnamed.length);
  return { os: stream, release, variant: 'default' };
}

export function isUnnamed(family: Family): boolean {
  return family.release.startsWith(unnamed);
}

function code(letter: string): string {
  return letter.charCodeAt(0).toString(16).padStart(2, '0');
}
