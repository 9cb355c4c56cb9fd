import { parseNamePart, serialOf } from '../catalog/names.ts';
import { HeadwaterError, messageOf } from '../errors.ts';
import type { Architecture } from '../image/architecture.ts';
import type { RootfsFacts } from '../image/content.ts';
import type { CheckedRequest } from './checked-request.ts';

/** What a bare root filesystem is called. */
export interface RootName {
  os: string;
  release: string;
  variant: string;
  architecture: Architecture;
  osTitle: string;
  serial: string;
}

/**
 * What a bare root filesystem is called: as given, else as it says itself.
 * @param options.requestWins what the request says is taken where os-release disagrees (`describe`)
 * @throws HeadwaterError `invalid` where neither says enough, or where they disagree
 */
export function nameBareRoot(
  file: string,
  checked: CheckedRequest,
  facts: RootfsFacts,
  options: { requestWins?: boolean } = {},
): RootName {
  assertSameArchitecture(file, checked, facts);
  if (options.requestWins !== true) assertAgree(file, checked, facts);
  const found = (field: 'os' | 'release') => {
    const text = facts[field];
    if (text === undefined) return undefined;
    try {
      return parseNamePart(field, text);
    } catch (error) {
      throw new HeadwaterError(
        'invalid',
        `${file}: its os-release: ${messageOf(error)}; or give another with ${checked.called(field)}`,
        { cause: error },
      );
    }
  };
  const os = checked.os ?? found('os');
  const release = checked.release ?? found('release');
  const architecture = checked.architecture ?? facts.architecture;
  if (os === undefined || release === undefined || architecture === undefined) {
    const missing = Object.entries({ os, release, architecture }).filter(([, value]) => value === undefined);
    const fields = missing.map(([field]) => checked.called(field as 'os' | 'release' | 'architecture'));
    throw new HeadwaterError(
      'invalid',
      `${file}: has no metadata and does not say everything itself: give ${fields.join(' and ')}`,
    );
  }
  return {
    os,
    release,
    architecture,
    variant: checked.variant ?? 'default',
    osTitle: os,
    serial: checked.serial ?? serialOf(new Date()),
  };
}

function assertSameArchitecture(
  file: string,
  { architecture, called }: CheckedRequest,
  facts: RootfsFacts,
): void {
  if (architecture === undefined || facts.architecture === undefined) return;
  if (architecture === facts.architecture) return;
  throw new HeadwaterError(
    'invalid',
    `${file}: ${called('architecture')} was given as ${architecture}, but its programs are for ${facts.architecture}: leave ${called('architecture')} out`,
  );
}

function assertAgree(file: string, { os, release, called }: CheckedRequest, facts: RootfsFacts): void {
  const words = facts.title?.toLowerCase().match(/[a-z0-9.]+/g) ?? [];
  if (os !== undefined && facts.os !== undefined && !isOs(os, facts.os, words)) {
    throw disagreement(file, called('os'), os, `ID=${facts.os}`);
  }
  if (release !== undefined && facts.release !== undefined && !isRelease(release, facts, words)) {
    const { release: name, version } = facts;
    const says = version === undefined || version === name ? name : `${name} (VERSION_ID=${version})`;
    throw disagreement(file, called('release'), release, says);
  }
}

/** By its `ID`, or by the first words of its `PRETTY_NAME`: `rockylinux` for `rocky` and `Rocky Linux 9.4`. */
function isOs(given: string, id: string, words: string[]): boolean {
  const letters = given.replace(/[^a-z0-9.]/g, '');
  return given === id || words.some((_, index) => words.slice(0, index + 1).join('') === letters);
}

/**
 * By its name, its `VERSION_ID` or the first numbers of that (`9` for 9.4), or by a word of its `PRETTY_NAME` (`sid`
 * for `Debian GNU/Linux trixie/sid`). That a distribution is never released is no word of its own: any name is good.
 */
function isRelease(given: string, { release, version }: RootfsFacts, words: string[]): boolean {
  return (
    release === 'current' ||
    given === release ||
    (version !== undefined && `${version.toLowerCase()}.`.startsWith(`${given}.`)) ||
    words.includes(given)
  );
}

function disagreement(file: string, field: string, given: string, says: string): HeadwaterError {
  return new HeadwaterError(
    'invalid',
    `${file}: ${field} was given as ${given}, but its /etc/os-release says ${says}: leave ${field} out; or, where the system was made into another, change its os-release or publish it with a metadata tarball`,
  );
}
