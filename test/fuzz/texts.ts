import { metadataYaml } from '../image/fixtures.ts';
import { pick } from './mutate.ts';

// Texts of metadata.yaml, most of them wrong: of the kinds that parsers of YAML and Go's types trip over.

const originals = [
  metadataYaml,
  `${metadataYaml}expiry_date: 1900000000
templates:
  /etc/hostname:
    when: [create, copy]
    create_only: false
    template: hostname.tpl
    properties: {a: b, c: "d"}
`,
  `architecture: &a x86_64
creation_date: &d 5
properties: &p {one: *a, two: *d}
templates: {/a: {<<: *p, template: *a, when: [*a, *a]}}
`,
  `a: &a [x, x, x, x]
b: &b [*a, *a, *a, *a]
c: &c [*b, *b, *b, *b]
properties: {d: [*c, *c, *c, *c]}
creation_date: 5
architecture: x86_64
`,
  `%YAML 1.1
---
? architecture
: !!str x86_64
? creation_date
: !!int "0x10"
properties:
  folded: >-
    one
    two
  literal: |2
      three
...
`,
];

const values = [
  '~',
  '[]',
  '{}',
  '"',
  "'",
  '0',
  '-0',
  '0x7fffffffffffffff',
  '9223372036854775808',
  '-9223372036854775809',
  '1e400',
  '-1e308',
  '.inf',
  '.nan',
  '0b1',
  '0o17',
  '1_0',
  '1:20',
  '2024-01-01',
  'yes',
  'null',
  '!!binary aGk=',
  '!!int x',
  '!!float 1',
  '!!merge <<',
  '!x y',
  '!<tag:yaml.org,2002:int> 5',
  '&a',
  '*a',
  '*missing',
  '<<: *a',
  '<<: [*a, *p]',
  '- ',
  '? ',
  ': ',
  '|',
  '>+',
  '# c',
  '---\n',
  '...\n',
  '%TAG ! !x\n',
  '\t',
  '\r',
  '\0',
  '\u2028',
  '\ufeff',
  '😀',
  '__proto__: 1',
  'constructor',
  '"\\x41\\u00e9\\/"',
];

/** A text with one to six changes: lines moved, values replaced, levels and repetitions added. */
export function mutateText(random: () => number): string {
  const below = (limit: number) => Math.floor(random() * limit);
  let text = pick(originals, random);
  for (let left = 1 + below(6); left > 0; left -= 1) {
    const at = below(text.length + 1);
    const lines = text.split('\n');
    const line = below(lines.length);
    switch (below(9)) {
      case 0:
        text = text.slice(0, at) + pick(values, random) + text.slice(at);
        break;
      case 1:
        text = text.slice(0, at) + text.slice(at + 1 + below(6));
        break;
      case 2:
        lines.splice(line, 0, lines[below(lines.length)] ?? '');
        text = lines.join('\n');
        break;
      case 3:
        lines.splice(line, 1);
        text = lines.join('\n');
        break;
      case 4:
        lines[line] = (lines[line] ?? '').replace(/:.*/, `: ${pick(values, random)}`);
        text = lines.join('\n');
        break;
      case 5:
        lines[line] = ' '.repeat(below(9)) + (lines[line] ?? '');
        text = lines.join('\n');
        break;
      case 6: {
        const levels = 2 ** below(13);
        const [open, close] = pick(['[]', '{}', '{a: }', '- '].map(bracket), random);
        text = text.slice(0, at) + open.repeat(levels) + pick(values, random) + close.repeat(levels);
        break;
      }
      case 7:
        text = text.slice(0, at) + pick(values, random).repeat(2 ** below(13)) + text.slice(at);
        break;
      default:
        text = text.slice(0, at) + '1'.repeat(2 ** below(12)) + text.slice(at);
    }
  }
  return text;
}

function bracket(pair: string): [string, string] {
  return pair.endsWith(']') || pair.endsWith('}') ? [pair.slice(0, -1), pair.slice(-1)] : [pair, ''];
}
