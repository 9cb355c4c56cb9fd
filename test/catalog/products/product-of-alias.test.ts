import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  aliasOfRelease,
  releaseOfAlias,
  unnamedFamily,
} from '../../../src/catalog/products/product-of-alias.ts';
import { parseAlias, parseNamePart } from '../../../src/model/names.ts';

const segment = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_+~:-]{0,40}$/);
const alias = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/'));

test('common aliases stay readable', () => {
  expect(releaseOfAlias('team/app')).toBe('team+app');
  expect(releaseOfAlias('app:v1.2')).toBe('app~3av1.2');
  expect(releaseOfAlias('App')).toBe('0~~~41pp');
});

test('any alias becomes part of a name', () => {
  fc.assert(
    fc.property(alias, (name) => {
      const release = releaseOfAlias(parseAlias(name));
      expect(parseNamePart('release', release)).toBe(release);
    }),
  );
});

test('different aliases become different names, which no unnamed image has', () => {
  fc.assert(
    fc.property(alias, alias, fc.stringMatching(/^[0-9a-f]{64}$/), (one, other, fingerprint) => {
      fc.pre(one !== other);
      expect(releaseOfAlias(one)).not.toBe(releaseOfAlias(other));
      expect(releaseOfAlias(one)).not.toBe(unnamedFamily('pushed', fingerprint).release);
    }),
  );
});

test('an alias is told from its name unless it is too long, and from no other', () => {
  fc.assert(
    fc.property(alias, fc.stringMatching(/^[0-9a-f]{64}$/), (name, fingerprint) => {
      const release = releaseOfAlias(name);
      expect(aliasOfRelease(release)).toBe(release.startsWith('0~h') ? undefined : name);
      expect(aliasOfRelease(unnamedFamily('pushed', fingerprint).release)).toBeUndefined();
    }),
  );
});
