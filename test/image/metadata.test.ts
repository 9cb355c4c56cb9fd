import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { HeadwaterError } from '../../src/errors.ts';
import { parseMetadata } from '../../src/image/metadata.ts';

const minimal = 'architecture: x86_64\ncreation_date: 1735689600\n';

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

describe('properties are text as it is written', () => {
  it.each([
    ['24.10', '24.10'],
    ['"20260101_0304"', '20260101_0304'],
    ['20260101_0304', '20260101_0304'],
    ['012', '012'],
    ['true', 'true'],
    ['no', 'no'],
    ['1e3', '1e3'],
    ['null', 'null'],
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
    ['that is no YAML', 'a: "open', 'is no valid YAML: line 1: Missing closing "quote'],
    ['of two documents', `${minimal}---\n${minimal}`, 'holds more than one document'],
    ['with a key twice', `${minimal}architecture: arm64`, 'the key "architecture" is there twice'],
    ['with a property twice', `${minimal}properties: {a: 1, a: 2}`, 'the key "a" is there twice'],
    [
      'with an alias of itself',
      `${minimal}properties: &a {b: *a}`,
      'the alias *a is inside of what it stands for',
    ],
    ['with an unknown alias', `${minimal}properties: *x`, 'its aliases'],
    ['without architecture', 'creation_date: 1', 'architecture is missing'],
    [
      'with an unknown architecture',
      'architecture: vax\ncreation_date: 1',
      'metadata.yaml: architecture "vax" is not known',
    ],
    [
      'with a list for architecture',
      'architecture: [x86_64]\ncreation_date: 1',
      'architecture is a list: expected a plain value',
    ],
    ['without creation_date', 'architecture: x86_64', 'creation_date is missing'],
    ['with creation_date 0', 'architecture: x86_64\ncreation_date: 0', 'creation_date is missing'],
    [
      'with a date as text',
      'architecture: x86_64\ncreation_date: 2025-01-01',
      'creation_date "2025-01-01": expected seconds since 1970',
    ],
    ['with a fraction', 'architecture: x86_64\ncreation_date: 1.5', 'creation_date "1.5"'],
    [
      'with milliseconds',
      'architecture: x86_64\ncreation_date: 1735689600000',
      'creation_date "1735689600000"',
    ],
    ['with a negative date', `${minimal}expiry_date: -1`, 'expiry_date "-1"'],
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
    ['with a name of no letters', `${minimal}properties: {"": c}`, 'properties: "" cannot be a name'],
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

  it('whose aliases multiply', () => {
    const levels = Array.from({ length: 9 }, (_, level) => {
      const items = level === 0 ? 'x' : `*a${level - 1}`;
      return `a${level}: &a${level} [${Array(9).fill(items).join(', ')}]`;
    });
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
  expect(refusal(`${minimal}properties:\n${keys(90_000)}`)).toContain('far more fields');
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
