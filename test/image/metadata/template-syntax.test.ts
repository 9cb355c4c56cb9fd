import { expect, it, test } from 'vitest';
import { templateSyntaxFault } from '../../../src/image/metadata/template-syntax.ts';
import { file, packTar } from '../fixtures.ts';
import { inspect, refusal } from '../inspecting.ts';

it.each([
  ['nothing', ''],
  ['text with signs', 'PS1="{$USER}%" # 100 % {a} }} %} #}'],
  ['variables', '{{ container.name }}\n{{- config_get("user.x", "}}") -}}\n{{a|default:"it\'s %}"}}'],
  [
    'blocks',
    '{% if a == "x" %}{% for b in c %}{{ b }}{% empty %}-{% endfor %}{% elif d %}1{% else %}2{% endif %}',
  ],
  ['blocks that trim spaces', '{%- if a -%}\n{%- endif -%}'],
  ['a comment', '{# {{ {% if #}{% comment %}{% nothing %}{% else %}{{ }}{% endcomment %}'],
  ['text as it is', '{% verbatim %}{{ {% if {% endverbatim %}'],
  [
    'tags without an end',
    '{% now "2006" %}{% set a = 1 %}{% include "b" %}{% with a=1 %}{{ a }}{% endwith %}',
  ],
])('%s can be read', (_, text) => {
  expect(templateSyntaxFault(text)).toBeUndefined();
});

it.each([
  ['{{ container.name', 'line 1: {{ without }}'],
  ['a\n{{ container.name %}', 'line 2: {{ without }}'],
  ['{{ "container }}', 'line 1: {{ without }}'],
  ['{% if a }}{% endif %}', 'line 1: {% without %}'],
  ['\n\n{# not closed', 'line 3: {# without #}'],
  ['{% verbatim %}', 'line 1: {% verbatim %} without {% endverbatim %}'],
  ['{{ }}', 'line 1: {{ }} without an expression'],
  ['{% %}', 'line 1: {% %} without the name of a tag'],
  ['{% if a %}', '{% if %} without {% endif %}'],
  ['{% for a in b %}{% if a %}{% endfor %}', 'line 1: {% endfor %} is no tag within {% if %}'],
  ['{% endif %}', 'line 1: {% endif %} is no tag, or has no beginning'],
  ['{% for a in b %}{% else %}{% endfor %}', 'line 1: {% else %} is no tag within {% for %}'],
  ['x\n{% iff a %}', 'line 2: {% iff %} is no tag, or has no beginning'],
])('%j cannot', (text, fault) => {
  expect(templateSyntaxFault(text)).toBe(fault);
});

it('reads a text of many openings in a moment', () => {
  expect(templateSyntaxFault('{{ "'.repeat(250_000))).toBe('line 1: {{ without }}');
  expect(templateSyntaxFault('{% if a %}'.repeat(100_000))).toBe('{% if %} without {% endif %}');
});

const metadata = (when: string) =>
  `architecture: amd64\ncreation_date: 1\nproperties: {os: debian, release: bookworm}\ntemplates:\n  /etc/x: {when: [${when}], template: a.tpl}\n`;
const tarball = (when: string, template: string) =>
  packTar([file('metadata.yaml', metadata(when)), file('templates/a.tpl', template)]);

test('an image is refused if a template for the first start cannot be read', async () => {
  const broken = '{{ container.name';
  for (const when of ['create', 'start'])
    expect(await refusal(await tarball(when, broken))).toContain(
      'templates./etc/x.template "a.tpl": the daemons cannot read this template: line 1: {{ without }}',
    );
  // Such an instance starts.
  for (const when of ['copy', 'other'])
    expect(await inspect(await tarball(when, broken))).toMatchObject({ kind: 'metadata' });
  expect(await inspect(await tarball('create', '{{ container.name }}'))).toMatchObject({ kind: 'metadata' });
});
