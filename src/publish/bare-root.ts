import { HeadwaterError, messageOf, quotable } from '../errors.ts';
import type { RootfsFacts } from '../image/content.ts';
import type { Architecture } from '../model/architecture.ts';
import { parseNamePart, serialOf } from '../model/names.ts';
import type { CheckedRequest } from './checked-request.ts';

/** The names of a bare root filesystem. */
export interface RootName {
  os: string;
  release: string;
  variant: string;
  architecture: Architecture;
  osTitle: string;
  serial: string;
  /** The serial was not given: it is the current minute. */
  serialIsDerived: boolean;
  /** Warnings about differences between the request and os-release. */
  warnings: string[];
}

/**
 * Names a bare root filesystem: with the given names, and a warning if its os-release differs; otherwise with those of
 * its os-release.
 * @throws HeadwaterError `invalid` if a name is in neither, or if its programs are for another architecture
 */
export function nameBareRoot(file: string, checked: CheckedRequest, facts: RootfsFacts): RootName {
  assertSameArchitecture(file, checked, facts);
  const nameOf = (field: 'os' | 'release') => {
    const text = facts[field];
    if (text === undefined) return undefined;
    try {
      return parseNamePart(field, text);
    } catch (error) {
      throw new HeadwaterError(
        'invalid',
        `${file}: its os-release: ${messageOf(error)}; or give another with ${field}`,
        { cause: error, fields: [field] },
      );
    }
  };
  const os = checked.os ?? nameOf('os');
  const release = checked.release ?? nameOf('release');
  const architecture = checked.architecture ?? facts.architecture;
  if (os === undefined || release === undefined || architecture === undefined) {
    const missing = Object.entries({ os, release, architecture }).filter(([, value]) => value === undefined);
    const fields = missing.map(([field]) => field);
    throw new HeadwaterError(
      'invalid',
      `${file}: has no metadata, and its files do not tell everything: give ${fields.join(' and ')}`,
      { fields },
    );
  }
  return {
    os,
    release,
    architecture,
    variant: checked.variant ?? 'default',
    osTitle: os,
    serial: checked.serial ?? serialOf(new Date()),
    serialIsDerived: checked.serial === undefined,
    warnings: disagreements(file, checked, facts),
  };
}

function assertSameArchitecture(file: string, { architecture }: CheckedRequest, facts: RootfsFacts): void {
  if (architecture === undefined || facts.architecture === undefined) return;
  if (architecture === facts.architecture) return;
  throw new HeadwaterError(
    'invalid',
    `${file}: architecture was given as ${architecture}, but its programs are for ${facts.architecture}: leave architecture out`,
    { fields: ['architecture'] },
  );
}

function disagreements(file: string, { os, release }: CheckedRequest, facts: RootfsFacts): string[] {
  const words = facts.title?.toLowerCase().match(/[a-z0-9.]+/g) ?? [];
  const warnings: string[] = [];
  const differs = (field: 'os' | 'release', given: string, says: string) =>
    warnings.push(`${file}: ${field} ${given} is used, although its os-release says ${quotable(says, 80)}`);
  if (os !== undefined && facts.os !== undefined && !isOs(os, facts.os, words)) {
    differs('os', os, `ID=${facts.os}`);
  }
  if (release !== undefined && facts.release !== undefined && !isRelease(release, facts, words)) {
    const { release: name, version } = facts;
    differs(
      'release',
      release,
      version === undefined || version === name ? name : `${name} (VERSION_ID=${version})`,
    );
  }
  return warnings;
}

/** By its `ID`, or by the first words of its `PRETTY_NAME`: `rockylinux` for `rocky` and `Rocky Linux 9.4`. */
function isOs(given: string, id: string, words: string[]): boolean {
  const letters = given.replace(/[^a-z0-9.]/g, '');
  return given === id || words.some((_, index) => words.slice(0, index + 1).join('') === letters);
}

/**
 * By its name, its `VERSION_ID` or the first numbers of that (`9` for 9.4), or by a word of its `PRETTY_NAME` (`sid`
 * for `Debian GNU/Linux trixie/sid`). A distribution without releases accepts any name.
 */
function isRelease(given: string, { release, version }: RootfsFacts, words: string[]): boolean {
  return (
    release === 'current' ||
    given === release ||
    (version !== undefined && `${version.toLowerCase()}.`.startsWith(`${given}.`)) ||
    words.includes(given)
  );
}
