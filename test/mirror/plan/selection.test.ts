import { describe, expect, test } from 'vitest';
import type { SelectRule } from '../../../src/config/mirror-schema.ts';
import { document, item, offeredBy, product, version } from '../documents.ts';

const both = { '20260101': version('1', ['squashfs', 'disk-kvm.img'], { label: 'daily', build: 'x1' }) };
const content = document({
  a: product(both),
  b: product(both, { arch: 'aarch64' }),
  c: product(both, { release: 'trixie', variant: 'cloud' }),
  d: product(both, { os: 'Rocky Linux', release: '9', aliases: 'rocky9' }),
});

function selected(...select: SelectRule[]): string[] {
  return offeredBy(content, { select }).offered.flatMap(({ name, versions }) =>
    versions.flatMap(({ roots }) => roots.map(({ type }) => `${name} ${type === 'container' ? 'c' : 'vm'}`)),
  );
}

describe('a rule', () => {
  test('without keys takes everything', () => {
    expect(selected({})).toHaveLength(8);
  });

  test('takes what all its keys match', () => {
    expect(selected({ os: ['debian'], type: ['container'] })).toEqual(['a c', 'b c', 'c c']);
    expect(selected({ release: ['bookworm'], architecture: ['arm64'] })).toEqual(['b c', 'b vm']);
  });

  test('knows every name of an architecture, and no case', () => {
    expect(selected({ architecture: ['aarch64'], ftype: ['squashfs'] })).toEqual(['b c']);
    expect(selected({ os: ['DEBIAN'], variant: ['Cloud'], type: ['container'] })).toEqual(['c c']);
    expect(selected({ os: ['rocky-linux'], type: ['container'] })).toEqual(['d c']);
    expect(selected({ os: ['Rocky Linux'], type: ['container'] })).toEqual(['d c']);
  });

  test('has lists, globs and negation', () => {
    expect(selected({ release: ['book*', '9'], type: ['container'] })).toEqual(['a c', 'b c', 'd c']);
    expect(selected({ release: ['!book*'], type: ['container'] })).toEqual(['c c', 'd c']);
    expect(selected({ os: ['*', '!rocky*'], variant: ['defaul?'], type: ['container'] })).toEqual([
      'a c',
      'b c',
    ]);
    expect(selected({ ftype: ['disk*'], os: ['[d]ebian'] })).toEqual([]);
  });

  test('reaches any other field of the documents', () => {
    expect(selected({ fields: { build: ['x?'], aliases: ['rocky9'] }, type: ['container'] })).toEqual([
      'd c',
    ]);
    expect(selected({ fields: { content_id: ['!images'] } })).toEqual([]);
  });

  test('finds the fields of an item however its path is written', () => {
    const items = {
      'lxd.tar.xz': item('m', 'lxd.tar.xz'),
      root: item('r', 'squashfs', { path: './images//deep/./r', build: 'x' }),
    };
    const { offered } = offeredBy(document({ a: product({ '20260101': { items } }) }), {
      select: [{ fields: { build: ['x'] } }],
    });
    expect(offered).toHaveLength(1);
  });
});

test('several rules take what any of them takes', () => {
  expect(
    selected({ variant: ['cloud'], type: ['container'] }, { os: ['rocky*'], type: ['virtual-machine'] }),
  ).toEqual(['c c', 'd vm']);
});

test('a rule that matches nothing is known, and a field that nothing has is an error', () => {
  const { selection } = offeredBy(content, {
    select: [{ os: ['debian'] }, { os: ['plan9'] }, { fields: { no: ['x'] } }],
  });
  expect(selection.unmatched()).toEqual([2, 3]);
  expect(() => selection.assertFieldsExist('mirrors/a.yaml')).toThrow(
    /mirrors\/a\.yaml: select\.2\.fields\.no: nothing in the upstream's documents has this field/,
  );
});
