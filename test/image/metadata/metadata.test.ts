import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { HeadwaterError } from '../../../src/errors.ts';
import { parseMetadata, readMetadataFile } from '../../../src/image/metadata/metadata.ts';

const minimal = 'architecture: x86_64\ncreation_date: 1735689600\n';

const template = (text: string) => `${minimal}templates:\n  /etc/hosts: ${text}\n`;

function refusal(text: string): string {
  try {
    parseMetadata(text);
  } catch (error) {
    if (error instanceof HeadwaterError && error.kind === 'invalid') return error.message;
    throw error;
  }
  throw new Error('was taken');
}

it('metadata.yaml is read', () => {
  const source = `architecture: aarch64
creation_date: 1735689600
expiry_date: 1738281600
properties:
  os: Debian
  release: bookworm
  description: Debian bookworm
templates:
  /etc/hostname:
    when: [create, copy]
    template: hostname.tpl
`;
  expect(parseMetadata(source)).toEqual({
    architecture: 'arm64',
    creationDate: 1735689600,
    expiryDate: 1738281600,
    properties: { os: 'Debian', release: 'bookworm', description: 'Debian bookworm' },
    source,
  });
});

it('little is needed', () => {
  expect(parseMetadata(minimal)).toMatchObject({ architecture: 'amd64', properties: {} });
  expect(parseMetadata(`${minimal}properties:\nexpiry_date: ~`)).toMatchObject({ properties: {} });
  expect(parseMetadata('{"architecture": "amd64", "creation_date": 1}')).toMatchObject({ creationDate: 1 });
  expect(parseMetadata(`${minimal}expiry_date: 0`)).not.toHaveProperty('expiryDate');
});

describe('what the YAML of Go reads is read', () => {
  it.each([
    ['1700000000', 1700000000],
    ['1.7e9', 1700000000],
    ['1700000000.9', 1700000000],
    ['1_700_000_000', 1700000000],
    ['0x6553f100', 1700000000],
    ['0b101', 5],
    ['017', 15],
    ['0o17', 15],
    ['08', 8],
    ['+5', 5],
    ['-86400', -86400],
    ['!!int "1700000000"', 1700000000],
    ['!!float 5', 5],
  ])('a date %s', (written, creationDate) => {
    expect(parseMetadata(`architecture: x86_64\ncreation_date: ${written}`)).toMatchObject({ creationDate });
  });

  it.each(['', '~', 'null', '0', '0.0', '0x0', '-0'])('no date: %j', (written) => {
    expect(parseMetadata(`${minimal}expiry_date: ${written}`)).not.toHaveProperty('expiryDate');
  });

  it.each(['y', 'Yes', 'on', 'n', 'NO', 'off', 'True', '~', '', '!!bool "yes"'])(
    'create_only: %s',
    (word) => {
      const { templates } = readMetadataFile(
        template(
          `{when: [create, 1, ~], create_only: ${word}, template: hosts.tpl, properties: {a: 1, b: yes}}`,
        ),
      );
      expect(templates).toEqual([{ target: '/etc/hosts', file: 'hosts.tpl', when: ['create', '1', ''] }]);
    },
  );

  it.each([
    ['a key twice', 'properties: {a: 1, a: 2}', { a: '2' }],
    ['a field twice', 'properties: {a: 1}\nproperties: {b: 2}', { a: '1', b: '2' }],
    ['a field twice, then absent', 'properties: {a: 1}\nproperties:', {}],
    ['a merge', 'base: &b {a: 1, b: 1}\nproperties: {<<: *b, b: 2}', { a: '1', b: '2' }],
    ['a merge after a key', 'base: &b {b: 1}\nproperties: {b: 2, <<: *b}', { b: '1' }],
    ['a merge of several', 'x: [&b {a: 1}, &c {a: 2, c: 2}]\nproperties: {<<: [*b, *c]}', { a: '1', c: '2' }],
    ['a merge of the document', 'base: &b {properties: {a: 1}}\n<<: *b', { a: '1' }],
    ['an alias', 'base: &b {a: 1}\nproperties: *b', { a: '1' }],
    ['an alias of a name', 'base: &b name\nproperties: {*b : 1}', { name: '1' }],
    ['a quoted <<', 'properties: {"<<": 1}', { '<<': '1' }],
    ['an empty name', 'properties: {"": 1}', { '': '1' }],
    ['a number for a name', 'properties: {1: 1}', { 1: '1' }],
    ['fields that are unknown', 'more: [1, {a: [b]}]\nproperties: {a: 1}', { a: '1' }],
    ['a second document', 'properties: {a: 1}\n---\nproperties: {a: 2}', { a: '1' }],
  ])('%s', (_, text, properties) => {
    expect(parseMetadata(`${minimal}${text}`).properties).toEqual(properties);
  });
});

describe('properties are text as it is written', () => {
  it.each([
    ['24.10', '24.10'],
    ['"20260101_0304"', '20260101_0304'],
    ['20260101_0304', '20260101_0304'],
    ['012', '012'],
    ['true', 'true'],
    ['no', 'no'],
    ['1e3', '1e3'],
    ['null', ''],
    ['"null"', 'null'],
    ['~', ''],
    ['!!str ~', '~'],
    ['2025-01-01', '2025-01-01'],
    ['0x1F', '0x1F'],
    ['!!binary aGk=', 'hi'],
    ['', ''],
    ["'it''s'", "it's"],
    ['|\n    two\n    lines\n', 'two\nlines\n'],
  ])('%j', (written, text) => {
    expect(parseMetadata(`${minimal}properties:\n  key: ${written}`).properties).toEqual({ key: text });
  });

  it('whatever their names', () => {
    const names = ['constructor', 'toString', 'hasOwnProperty', 'image.os', '1'];
    const { properties } = parseMetadata(
      `${minimal}${stringify({ properties: Object.fromEntries(names.map((name) => [name, 'x'])) })}`,
    );
    expect(Object.keys(properties).sort()).toEqual(names.sort());
  });
});

describe('metadata.yaml is refused', () => {
  it.each([
    ['that is empty', '', 'must be a mapping'],
    ['that is a list', '- a\n- b', 'must be a mapping'],
    ['that is text', 'hello', 'must be a mapping'],
    ['that is no YAML', 'a: "open', 'is not valid YAML: line 1: Missing closing "quote'],
    ['of another version of YAML', `%YAML 1.2\n---\n${minimal}`, 'is YAML 1.2: the daemons read 1.1 only'],
    [
      'with an escape of JSON',
      '{"architecture": "x86_64", "creation_date": 5, "a": "\\\\\\/"}',
      'has the escape',
    ],
    ['with a control character', `${minimal}properties: {a: "\x01"}`, 'holds the control character U+0001'],
    ['with an alias of itself', `${minimal}properties: &a {b: *a}`, 'the alias *a contains itself'],
    ['with an unknown alias', `${minimal}properties: *x`, 'its aliases'],
    ['without architecture', 'creation_date: 1', 'architecture is missing'],
    [
      'with an unknown architecture',
      'architecture: vax\ncreation_date: 1',
      'metadata.yaml: architecture "vax" is not known',
    ],
    [
      'with an architecture in capitals',
      'architecture: X86_64\ncreation_date: 1',
      'architecture "X86_64" is not known',
    ],
    [
      'with an architecture of another list',
      'architecture: i486\ncreation_date: 1',
      'not known to LXD and Incus',
    ],
    [
      'with a list for architecture',
      'architecture: [x86_64]\ncreation_date: 1',
      'architecture is a list: expected a plain value',
    ],
    ['without creation_date', 'architecture: x86_64', 'creation_date is missing'],
    ['with creation_date null', 'architecture: x86_64\ncreation_date: null', 'creation_date is missing'],
    [
      'with creation_date 0',
      'architecture: x86_64\ncreation_date: 0',
      'creation_date is 0, which LXD and Incus refuse as missing: write another one, or build with another SOURCE_DATE_EPOCH',
    ],
    [
      'with a date as text',
      'architecture: x86_64\ncreation_date: 2025-01-01',
      'creation_date "2025-01-01": expected seconds since 1970',
    ],
    [
      'with milliseconds',
      'architecture: x86_64\ncreation_date: 1735689600000',
      'creation_date "1735689600000"',
    ],
    [
      'with a date in quotes',
      'architecture: x86_64\ncreation_date: "1700000000"',
      'creation_date "1700000000": expected seconds since 1970, such as 1735689600, without quotes',
    ],
    ['with a date of single quotes', `${minimal}expiry_date: ''`, 'expiry_date "": expected seconds'],
    ['with a date that is a boolean', `${minimal}expiry_date: yes`, 'expiry_date "yes"'],
    [
      'with a date beyond what Go writes',
      `${minimal}expiry_date: 253402300800`,
      'expiry_date "253402300800"',
    ],
    ['with a date of too many digits', `${minimal}expiry_date: 18446744073709551615`, 'expiry_date "1844'],
    ['with a list of templates', `${minimal}templates: []`, 'templates is a list: expected a mapping'],
    ['with text for templates', `${minimal}templates: none`, 'templates is text: expected a mapping'],
    ['with a list for properties', `${minimal}properties: []`, 'properties is a list: expected a mapping'],
    ['with a template that is absent', template(''), 'templates./etc/hosts is absent'],
    [
      'with a template that is text',
      template('hosts.tpl'),
      'templates./etc/hosts is text: expected a mapping',
    ],
    ['with text for when', template('{when: create}'), 'templates./etc/hosts.when is text: expected a list'],
    ['with a list in when', template('{when: [[create]]}'), 'templates./etc/hosts.when[0] is a list'],
    [
      'with create_only in quotes',
      template(`{when: [create], create_only: 'true'}`),
      'templates./etc/hosts.create_only "true": expected true or false, without quotes',
    ],
    ['with a number for create_only', template('{create_only: 1}'), 'templates./etc/hosts.create_only "1"'],
    ['with a list for a template', template('{template: [a]}'), 'templates./etc/hosts.template is a list'],
    ['with properties that nest', template('{properties: {a: {b: c}}}'), 'hosts.properties.a is a mapping'],
    ['with a list of properties', template('{properties: []}'), 'hosts.properties is a list'],
    ['with a merge of text', `${minimal}properties: {<<: text}`, 'properties.<< is text: expected a mapping'],
    [
      'with a wrong tag',
      `${minimal}properties: {a: !!int x}`,
      'properties.a is text: expected what its tag !!int',
    ],
    ['with text for properties', `${minimal}properties: x`, 'properties is text: expected a mapping'],
    [
      'with a list for a property',
      `${minimal}properties: {os: [a]}`,
      'properties.os is a list: expected text',
    ],
    [
      'with a mapping for a property',
      `${minimal}properties: {os: {a: b}}`,
      'properties.os is a mapping: expected text',
    ],
    [
      'with a mapping for a name',
      `${minimal}properties: {{a: b}: c}`,
      'properties: a mapping cannot be a name',
    ],
    [
      'that reaches for prototypes',
      `${minimal}properties:\n  __proto__: c`,
      'properties: "__proto__" cannot be a name',
    ],
  ])('%s', (_, text, message) => {
    const said = refusal(text);
    expect(said).toContain(message);
    expect(said).toMatch(/^metadata\.yaml/);
  });

  it('whose aliases multiply, in fields that nobody reads, too', () => {
    const levels = Array.from({ length: 9 }, (_, level) => {
      const items = level === 0 ? 'x' : `*a${level - 1}`;
      return `a${level}: &a${level} [${Array(9).fill(items).join(', ')}]`;
    });
    expect(refusal(`${minimal}${levels.join('\n')}`)).toContain('its aliases (*name) cannot be resolved');
  });

  it('whose merges multiply', () => {
    const levels = Array.from({ length: 9 }, (_, level) => {
      const merged =
        level === 0
          ? 'a: x'
          : `<<: [${Array(9)
              .fill(`*a${level - 1}`)
              .join(', ')}]`;
      return `a${level}: &a${level} {${merged}}`;
    });
    levels.push('properties: *a8');
    expect(refusal(`${minimal}${levels.join('\n')}`)).toContain('its aliases (*name) cannot be resolved');
  });

  // Each of these made the library's recursion end the whole process, or compare keys for minutes.
  it.each([
    ['lists', '['.repeat(500_000)],
    ['mappings', '{'.repeat(500_000)],
    ['lists in mappings', '[{'.repeat(250_000)],
    ['items', '- '.repeat(250_000)],
    ['keys', '? '.repeat(250_000)],
    ['values', ': '.repeat(250_000)],
    ['lines', Array.from({ length: 700 }, (_, level) => `${' '.repeat(level)}a:`).join('\n')],
  ])('that is nested too deep: %s', (_, text) => {
    expect(refusal(text)).toContain('nested more than 100 levels deep');
  });
});

it('many keys are read, and more than any image has are refused at once', () => {
  const keys = (count: number) => Array.from({ length: count }, (_, index) => `  k${index}: v`).join('\n');
  const { properties } = parseMetadata(`${minimal}properties:\n${keys(5000)}`);
  expect(Object.keys(properties)).toHaveLength(5000);
  expect(refusal(`${minimal}properties:\n${keys(90_000)}`)).toContain('too many fields');
});

it('any properties come back as they were written by another', () => {
  const name = fc.string({ minLength: 1, unit: 'grapheme' }).filter((key) => key !== '__proto__');
  fc.assert(
    fc.property(fc.dictionary(name, fc.string({ unit: 'grapheme' })), (properties) => {
      const text = stringify({ architecture: 'x86_64', creation_date: 1, properties });
      expect(parseMetadata(text).properties).toEqual({ ...properties });
    }),
  );
});

it('any text is read or refused', () => {
  const piece = fc.constantFrom(
    'architecture',
    'creation_date',
    'properties',
    ':',
    ' ',
    '\n',
    '- ',
    '? ',
    '[',
    ']',
    '{',
    '}',
    '&a',
    '*a',
    '!t ',
    '"',
    "'",
    '|',
    '>',
    '#',
    '1',
    '---\n',
    '%YAML 1.1\n',
    '\t',
    '\0',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 40 }), (pieces) => {
      expect(refusal(pieces.join(''))).toMatch(/^metadata\.yaml/);
    }),
    { numRuns: 500 },
  );
});
