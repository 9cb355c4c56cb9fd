import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseOsRelease } from '../../../src/image/tar/os-release.ts';

describe('the release', () => {
  it.each([
    ['Debian', 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm', 'debian', 'bookworm'],
    [
      'Debian testing',
      'ID=debian\nVERSION_CODENAME=trixie\nPRETTY_NAME="Debian GNU/Linux trixie/sid"',
      'debian',
      'trixie',
    ],
    ['Debian that says nothing', 'ID=debian', 'debian', undefined],
    [
      'Ubuntu',
      'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.10"\nVERSION_CODENAME=oracular',
      'ubuntu',
      'oracular',
    ],
    ['Alpine', 'ID=alpine\nVERSION_ID=3.20.1', 'alpine', '3.20'],
    [
      'Alpine edge',
      'ID=alpine\nVERSION_ID=3.21.0_alpha20240923\nPRETTY_NAME="Alpine Linux edge"',
      'alpine',
      'edge',
    ],
    ['Fedora', 'ID=fedora\nVERSION_ID=41\nVERSION_CODENAME=""', 'fedora', '41'],
    ['Rocky Linux', 'ID="rocky"\nVERSION_ID="9.4"', 'rocky', '9.4'],
    ['openSUSE Leap', 'ID="opensuse-leap"\nVERSION_ID="15.6"', 'opensuse-leap', '15.6'],
    [
      'openSUSE Tumbleweed',
      'ID="opensuse-tumbleweed"\n# VERSION="20241114"\nVERSION_ID="20241114"',
      'opensuse-tumbleweed',
      'current',
    ],
    ['Arch Linux', 'NAME="Arch Linux"\nID=arch\nBUILD_ID=rolling', 'arch', 'current'],
    [
      'Arch Linux in a container',
      'ID=arch\nBUILD_ID=rolling\nVERSION_ID=20241110.0.278197',
      'arch',
      'current',
    ],
    ['Gentoo', 'ID=gentoo\nVERSION_ID="2.15"', 'gentoo', 'current'],
    ['Kali', 'ID=kali\nVERSION_ID="2026.1"\nVERSION_CODENAME=kali-rolling', 'kali', 'current'],
    ['Slackware current', 'ID=slackware\nVERSION_ID=15.0\nVERSION_CODENAME=current', 'slackware', 'current'],
    ['Void Linux', 'ID="void"', 'void', 'current'],
    ['a code name of two words', "ID=x\nVERSION_ID=7\nVERSION_CODENAME='Big Name'", 'x', '7'],
    ['nothing', '# nothing', undefined, undefined],
  ])('of %s', (_, text, os, release) => {
    const found = parseOsRelease(text);
    expect([found.os, found.release]).toEqual([os, release]);
  });
});

describe('values', () => {
  it.each([
    ['PRETTY_NAME=Plain', 'Plain'],
    ['PRETTY_NAME="Two words"', 'Two words'],
    ["PRETTY_NAME='Single quotes'", 'Single quotes'],
    ['PRETTY_NAME="A \\"quote\\", a \\$, a \\\\"', 'A "quote", a $, a \\'],
    ['PRETTY_NAME="first"\nPRETTY_NAME="last"', 'last'],
    ['  PRETTY_NAME=spaces  \r', 'spaces'],
    ['PRETTY_NAME="bell\u0007"', undefined],
    ['PRETTY_NAME=""', undefined],
    ['pretty_name=x', undefined],
  ])('%j', (text, title) => {
    expect(parseOsRelease(text).title).toBe(title);
  });

  it('of any text are read without trouble, and have no control characters', () => {
    const line = fc.tuple(
      fc.constantFrom('ID', 'VERSION_ID', 'PRETTY_NAME', 'VERSION_CODENAME'),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const found = parseOsRelease(lines.map(([key, value]) => `${key}=${value}`).join('\n'));
        for (const value of Object.values(found)) {
          expect(value).not.toBe('');
          expect(value).not.toMatch(/[\u0000-\u001f\u007f]/);
        }
      }),
    );
  });
});
