import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HeadwaterError } from '../../../src/errors.ts';
import { parseImageYaml } from '../../../src/publish/tree/image-yaml.ts';
import { imageYamlFacts } from '../../../src/publish/tree/image-yaml-facts.ts';

const noble = { os: 'ubuntu', release: 'noble', architecture: 'amd64', variant: 'default' };

function factsOf(text: string, product: Partial<typeof noble> = noble) {
  return imageYamlFacts(parseImageYaml(text), product);
}

describe('release aliases', () => {
  const text = `
simplestream:
  release_aliases:
    jammy: 22.04
    noble: 24.10, 24 ,
`;

  test('stand for the release in the aliases of its products', () => {
    expect(factsOf(text).aliases).toEqual([
      'ubuntu/24.10/default',
      'ubuntu/24.10',
      'ubuntu/24/default',
      'ubuntu/24',
    ]);
    expect(factsOf(text, { ...noble, variant: 'cloud' }).aliases).toEqual([
      'ubuntu/24.10/cloud',
      'ubuntu/24/cloud',
    ]);
    expect(factsOf(text, { ...noble, release: 'focal' }).aliases).toEqual([]);
  });

  test('may leave the release "current" out', () => {
    const current = 'simplestream: {release_aliases: {noble: current}}';
    expect(factsOf(current).aliases).toEqual(['ubuntu/current/default', 'ubuntu/default', 'ubuntu']);
    const arch = { ...noble, os: 'archlinux', release: 'current', variant: 'cloud' };
    expect(factsOf('simplestream: {distro_name: Arch}', arch).aliases).toEqual(['archlinux/cloud']);
    expect(factsOf('image: {distribution: archlinux}', arch).aliases).toEqual([]);
  });

  test('need os and release, from wherever they are known', () => {
    const { os, release, ...rest } = noble;
    const built = `${text}image: {distribution: Ubuntu, release: Noble}`;
    expect(factsOf(built, rest).aliases).toContain('ubuntu/24');
    expect(factsOf(built, { ...rest, release: 'jammy' }).aliases).toEqual([
      'ubuntu/22.04/default',
      'ubuntu/22.04',
    ]);
    expect(factsOf(text, { ...rest, os }).warnings).toEqual([
      'image.yaml: simplestream.release_aliases: left out, because os and release are not known here: give them',
    ]);
    expect(release).toBe('noble');
  });

  test('must be aliases', () => {
    expect(() => factsOf('simplestream: {release_aliases: {noble: "two words"}}')).toThrow(
      'image.yaml: simplestream.release_aliases.noble: alias "ubuntu/two words/default"',
    );
  });
});

describe('requirements', () => {
  test('keep the text that was written, later entries over earlier ones', () => {
    const text = `
simplestream:
  requirements:
  - requirements: {secureboot: false, cgroup: v1, nesting: true}
  - requirements: {cgroup: v2}
    releases: [noble]
`;
    expect(factsOf(text).requirements).toEqual({ secureboot: 'false', cgroup: 'v2', nesting: 'true' });
    expect(factsOf(text, { ...noble, release: 'jammy' }).requirements).toMatchObject({ cgroup: 'v1' });
  });

  test.each([
    ['releases: [Noble, jammy]', true],
    ['releases: [jammy]', false],
    ['architectures: [x86_64]', true],
    ['architectures: [arm64, amd64]', true],
    ['architectures: [aarch64, sparc]', false],
    ['variants: [cloud, default]', true],
    ['variants: [cloud]', false],
    ['releases: [noble], variants: [cloud]', false],
    ['releases: [noble], architectures: [amd64], variants: [default]', true],
    ['releases: []', true],
  ])('apply where every filter matches: %s', (filters, matches) => {
    const text = `simplestream: {requirements: [{requirements: {k: v}, ${filters}}]}`;
    expect(factsOf(text).requirements).toEqual(matches ? { k: 'v' } : {});
  });

  test('with a filter that cannot be decided are left out, with a word about it', () => {
    const text = 'simplestream: {requirements: [{requirements: {k: v}, releases: [noble]}]}';
    expect(factsOf(text, { os: 'ubuntu' })).toMatchObject({
      requirements: {},
      warnings: [
        expect.stringContaining('simplestream.requirements[0].releases: left out, because the release'),
      ],
    });
    const variants = text.replace('releases: [noble]', 'variants: [default]');
    expect(factsOf(variants, {}).requirements).toEqual({ k: 'v' });
  });

  test('for one type of instance are left out, with a word about it', () => {
    const text = 'simplestream: {requirements: [{requirements: {k: v}, types: [vm]}]}';
    expect(factsOf(text)).toMatchObject({
      requirements: {},
      warnings: [expect.stringContaining('simplestream.requirements[0].types: left out')],
    });
  });

  test('a misspelt filter is told of', () => {
    const text = 'simplestream: {requirements: [{requirements: {k: v}, variant: [cloud]}]}';
    expect(factsOf(text).warnings).toEqual([
      'image.yaml: simplestream.requirements[0].variant is not known and was ignored',
    ]);
  });
});

test('a definition without the block says nothing of the product', () => {
  const definition = `
image:
  name: ubuntu-{{ image.release }}
  distribution: ubuntu
source: {downloader: debootstrap, keys: [0x790BC7277767219C42C86F933B4FE6ACC0B21F32]}
packages: &packages
  manager: apt
again: *packages
`;
  expect(factsOf(definition)).toEqual({ aliases: [], requirements: {}, warnings: [] });
  expect(factsOf('')).toEqual({ aliases: [], requirements: {}, warnings: [] });
});

test('empty fields are absent fields', () => {
  const text = 'simplestream:\n  distro_name:\n  release_aliases: ~\n  requirements: null\n';
  expect(factsOf(text)).toEqual({ aliases: [], requirements: {}, warnings: [] });
});

test.each([
  ['simplestream: text', /^image\.yaml: simplestream: expected a mapping, not "text"/],
  ['- simplestream', /^image\.yaml: expected a mapping, not a list/],
  ['simplestream: {distro_name: {a: b}}', /simplestream\.distro_name: expected text, not a mapping/],
  ['simplestream: {release_aliases: [a]}', /simplestream\.release_aliases: expected a mapping/],
  ['simplestream: {release_aliases: {noble: [a, b]}}', /simplestream\.release_aliases\.noble: expected text/],
  ['simplestream: {requirements: {k: v}}', /simplestream\.requirements: expected a list, not a mapping/],
  ['simplestream: {requirements: [k]}', /simplestream\.requirements\[0\]: expected a mapping/],
  [
    'simplestream: {requirements: [{requirements: {k: [v]}}]}',
    /requirements\[0\]\.requirements\.k: expected text/,
  ],
  ['simplestream: {requirements: [{releases: noble}]}', /requirements\[0\]\.releases: expected a list/],
  ['simplestream: {requirements: [{releases: [[a]]}]}', /requirements\[0\]\.releases\[0\]: expected text/],
  ['simplestream: {requirements: [{types: [vms]}]}', /requirements\[0\]\.types: "vms" is not a type/],
  ['image: [a]', /^image\.yaml: image: expected a mapping/],
  ['a: [', /^image\.yaml: cannot be read as YAML: line 1: /],
  ['a: 1\na: 2', /^image\.yaml: cannot be read as YAML: .*unique/],
])('refuses %j, naming the field', (text, message) => {
  expect(() => parseImageYaml(text)).toThrow(message);
  expect(() => parseImageYaml(text)).toThrow(expect.objectContaining({ kind: 'invalid' }));
});

test.each([
  ['distro_name: "a\\nb"', 'distro_name: use at most 200 characters'],
  ['requirements: [{requirements: {k: "a\\nb"}}]', 'requirements[0].requirements.k: use at most 200'],
  ['requirements: [{requirements: {a b: c}}]', 'requirements[0].requirements.a b: use letters'],
])('refuses what documents cannot show: %s', (block, message) => {
  expect(() => factsOf(`simplestream: {${block}}`)).toThrow(`image.yaml: simplestream.${message}`);
});

test('refuses a bomb of aliases', () => {
  const levels = 'bcdefgh'.split('').map((letter, index) => {
    const before = `*${'abcdefgh'[index]}`;
    return `${letter}: &${letter} [${Array(10).fill(before).join(', ')}]`;
  });
  const bomb = ['a: &a [x, x, x, x]', ...levels].join('\n');
  expect(() => parseImageYaml(bomb)).toThrow(/^image\.yaml: cannot be read as YAML: Excessive alias count/);
});

test.each([
  ['simplestream: &a {requirements: [*a]}', 'the alias *a contains itself'],
  ['image: &a\n  <<: *a', 'the alias *a contains itself'],
  ['other: &a {b: &b [*a]}', 'the alias *a contains itself'],
  // The library's recursion would end the process over these.
  [`a: ${'['.repeat(20_000)}`, 'it is nested more than 100 levels deep'],
  ['- '.repeat(20_000), 'it is nested more than 100 levels deep'],
])('refuses what cannot be followed: %#', (text, message) => {
  expect(() => parseImageYaml(text)).toThrow(`image.yaml: cannot be read as YAML: ${message}`);
});

test('an anchor may be used within another and given again', () => {
  const text = 'image: {variant: &a cloud, release: *a}\nsimplestream: &a {distro_name: *a}\n';
  expect(() => parseImageYaml(text)).toThrow('the alias *a contains itself');
  const again = 'other: &a {b: &a cloud, c: *a}\nimage: {variant: *a}\n';
  expect(parseImageYaml(again).product).toEqual({ variant: 'cloud' });
});

test('any text is read or refused', () => {
  const piece = fc.constantFrom(
    'simplestream',
    'requirements',
    ': ',
    '- ',
    '\n',
    '  ',
    '[',
    ']',
    '{',
    '}',
    '&a',
    '*a',
    '~',
    '1',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 20 }), (pieces) => {
      try {
        factsOf(pieces.join(''));
      } catch (error) {
        if (!(error instanceof HeadwaterError)) throw error;
        expect(error.message).toMatch(/^image\.yaml: /);
      }
    }),
  );
});
