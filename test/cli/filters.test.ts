import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseFilters } from '../../src/cli/filters.ts';
import { viewsOf } from '../../src/cli/view/version-view.ts';
import { product } from './versions.ts';

const [bookworm] = viewsOf(product({ aliases: ['debian/bookworm', 'team/Base'] }));
if (bookworm === undefined) throw new Error('a product has a version');
const passes = (...filters: string[]) => parseFilters(filters)(bookworm);

describe('filters', () => {
  test.each([
    'os=debian',
    'os=Debian',
    'release=book*',
    'release=bookwor?',
    'architecture=amd64',
    'arch=x86_64',
    'variant=default',
    'stream=images',
    'type=container',
    'alias=team/*',
    'serial=202601*',
    'bookworm',
    'BOOKWORM',
    'debian:bookworm:amd64',
    'abababab',
    'os=*',
  ])('%s passes', (filter) => {
    expect(passes(filter)).toBe(true);
  });

  test.each([
    'os=debia',
    'os=ebian',
    'release=book',
    'release=book.*',
    'arch=arm64',
    'type=vm',
    'alias=team',
    'alias=team/base',
    'serial=2025*',
    'bullseye',
    'os=',
  ])('%s does not pass', (filter) => {
    expect(passes(filter)).toBe(false);
  });

  test('all must pass', () => {
    expect(passes('os=debian', 'arch=amd64', 'bookworm')).toBe(true);
    expect(passes('os=debian', 'arch=arm64')).toBe(false);
    expect(passes()).toBe(true);
  });

  test.each(['distro=debian', 'constructor=x', '=x'])('%s has an unknown key', (filter) => {
    expect(() => passes(filter)).toThrow(/is not one of os, release/);
  });

  test('an unknown architecture is refused', () => {
    expect(() => passes('arch=pdp11')).toThrow(/architecture "pdp11" is not known/);
  });

  test('a value without * and ? matches only itself', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !/[*?\n\r\u2028\u2029]/.test(text)),
        fc.string(),
        (value, other) => {
          const [version] = viewsOf(product({ aliases: [other] }));
          if (version === undefined) throw new Error('a product has a version');
          expect(parseFilters([`alias=${value}`])(version)).toBe(value === other);
          const [same] = viewsOf(product({ aliases: [value] }));
          if (same !== undefined) expect(parseFilters([`alias=${value}`])(same)).toBe(true);
        },
      ),
    );
  });
});

test('virtual machines and containers are distinguished', () => {
  const machine = product();
  machine.versions[0]?.items.splice(1, 1, {
    file: 'disk.qcow2',
    type: 'disk-kvm.img',
    digest: '2'.repeat(64),
    size: 9,
    fingerprint: 'cd'.repeat(32),
  });
  const [version] = viewsOf(machine);
  expect(version?.images).toEqual([
    { type: 'virtual-machine', file: 'disk.qcow2', fingerprint: 'cd'.repeat(32), size: 709 },
  ]);
  if (version !== undefined) expect(parseFilters(['type=vm'])(version)).toBe(true);
});
