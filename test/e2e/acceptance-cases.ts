import { type PackEntry, packTar } from '../../src/image/tar/tar-pack.ts';

/** An image to be tried: what is in metadata.yaml, and members beside a small root. */
export interface Case {
  name: string;
  metadata: string;
  members?: PackEntry[];
  /** Members after the root. */
  late?: PackEntry[];
  /** What the root has in place of a program. */
  program?: Buffer;
}

const mtime = new Date(0);
const head = 'architecture: x86_64\ncreation_date: 1700000000\n';
const tpl = 'templates:\n  /etc/x: ';

const file = (name: string, text: string | Buffer = 'x\n'): PackEntry => ({
  name,
  type: 'file',
  mode: 0o755,
  mtime,
  bytes: Buffer.from(text),
});
const folder = (name: string): PackEntry => ({ name, type: 'directory', mode: 0o755, mtime });
const link = (name: string, linkName: string): PackEntry => ({
  name,
  type: 'symlink',
  mode: 0o777,
  mtime,
  linkName,
});
const hard = (name: string, linkName: string): PackEntry => ({
  name,
  type: 'link',
  mode: 0o755,
  mtime,
  linkName,
});

const template = file('templates/a.tpl', 'made of {{ container.name }}\n');
const yaml = (name: string, metadata: string, members: PackEntry[] = []): Case => ({
  name,
  metadata,
  members,
});
const withTemplate = (name: string, text: string): Case => yaml(name, `${head}${tpl}${text}\n`, [template]);
const dated = (date: string): Case =>
  yaml(`creation_date ${date}`, `architecture: x86_64\ncreation_date: ${date}\n`);

/** Written by hand: one of each kind. */
export const written: Case[] = [
  yaml('the least', head),
  ...[
    '"1700000000"',
    "'5'",
    '1.7e9',
    '5.9',
    '.5',
    '0x10',
    '0b11',
    '017',
    '08',
    '1_000',
    '+5',
    '-5',
    '0',
    '~',
    'yes',
    '2024-01-01',
    '!!int "5"',
    '!!float 5',
    '!!str 5',
    '[5]',
    '{a: 5}',
    '1e400',
    '.inf',
    '-.inf',
    '.nan',
    '18446744073709551615',
    '99999999999999999999',
    '1:20',
    '0o17',
    '0x',
    '5_',
    '"5',
    '|\n  5',
  ].map(dated),
  ...["''", '""', '0', '-1', 'null', 'none', '"1900000000"', '[]'].map((date) =>
    yaml(`expiry_date ${date}`, `${head}expiry_date: ${date}\n`),
  ),
  ...['X86_64', 'amd64', 'i486', 'generic_64', '[x86_64]', '~', '64', '!!str x86_64', '!x x86_64'].map(
    (name) => yaml(`architecture ${name}`, `architecture: ${name}\ncreation_date: 5\n`),
  ),
  ...[
    '[]',
    'x',
    '""',
    '~',
    '{a: 1, b: yes, c: ~, d: 2024-01-01, e: 1.50}',
    '{a: [1]}',
    '{a: {b: c}}',
    '{[a]: b}',
    '{1: 2, ~: 3}',
    '{a: 1, a: 2}',
    '{"<<": 1}',
    '{<<: {a: 1}, b: 2}',
    '{<<: [{a: 1}, {a: 2}]}',
    '{<<: 1}',
    '{a: !!int x}',
    '{a: !!binary aGk=}',
    '{a: !!binary "%"}',
    '{a: "\\u0041"}',
    '{a}',
    '{a: b,}',
  ].map((text) => yaml(`properties ${text}`, `${head}properties: ${text}\n`)),
  ...['[]', 'none', '""', '~', '{}'].map((text) => yaml(`templates ${text}`, `${head}templates: ${text}\n`)),
  ...[
    '{when: create}',
    '{when: [create], template: a.tpl}',
    '{when: [create, 5, ~], template: a.tpl}',
    '{when: [[create]]}',
    '{when: {a: b}}',
    '{when: [create], create_only: "true", template: a.tpl}',
    '{when: [create], create_only: on, template: a.tpl}',
    '{when: [create], create_only: y, template: a.tpl}',
    '{when: [create], create_only: 1, template: a.tpl}',
    '{when: [create], create_only: ~, template: a.tpl}',
    '{when: [create], template: a.tpl, properties: {a: {b: c}}}',
    '{when: [create], template: a.tpl, properties: []}',
    '{when: [create], template: a.tpl, properties: {a: 1}}',
    '{when: [create], template: [a.tpl]}',
    '{when: [create], template: b.tpl}',
    '{when: [start], template: b.tpl}',
    '{when: [], template: b.tpl}',
    '{when: [other], template: b.tpl}',
    '{when: [create]}',
    '{}',
    'x',
    '[]',
    '{when: [create], template: /a.tpl}',
    '{when: [create], template: ./x/../a.tpl}',
    '{when: [create], template: ../templates/a.tpl}',
    '{more: 1, when: [create], template: a.tpl}',
  ].map((text) => withTemplate(`a template ${text}`, text)),
  ...[
    '{{ container.name',
    '{{ }}',
    '{% if true %}',
    '{% endif %}',
    '{% iff true %}{% endif %}',
    '{% for x in "ab" %}{% else %}{% endfor %}',
    '{# not closed',
    '{% verbatim %}{{',
    '{% comment %}{% nothing %}{% endcomment %}',
    '{%- if true -%}{{ "}}" }}{%- endif -%}',
  ].map((text) =>
    yaml(`the text of a template ${text}`, `${head}${tpl}{when: [create], template: a.tpl}\n`, [
      file('templates/a.tpl', `${text}\n`),
    ]),
  ),
  yaml('two documents', `${head}---\nx: [\n`),
  yaml('YAML 1.2', `%YAML 1.2\n---\n${head}`),
  yaml('YAML 1.1', `%YAML 1.1\n---\n${head}`),
  yaml('a field twice', `${head}creation_date: 5\n`),
  yaml('properties twice', `${head}properties: {a: 1}\nproperties: {b: 1}\n`),
  yaml('a merge', `base: &b {architecture: x86_64, creation_date: 5}\n<<: *b\n`),
  yaml('an unknown alias', `${head}properties: *b\n`),
  yaml('an alias', `x: &b {a: 1}\n${head}properties: *b\n`),
  yaml('an anchor of a name', `${head}properties: {&a b: *a }\n`),
  yaml('JSON', '{"architecture": "x86_64", "creation_date": 5, "properties": {"a": "\\/"}}'),
  yaml('windows lines', head.replaceAll('\n', '\r\n')),
  yaml('a tab', 'architecture:\tx86_64\ncreation_date: 5\n'),
  yaml('a tab for indentation', `${head}properties:\n\ta: b\n`),
  yaml('a byte order mark', `\ufeff${head}`),
  yaml('a control character', `${head}properties: {a: "\u0001"}\n`),
  yaml('nothing', ''),
  yaml('a list', '- a\n'),
  yaml('text', 'hello\n'),
  yaml('fields that are unknown', `${head}more: [1, {a: b}]\n`),
  yaml('capitals', 'Architecture: x86_64\ncreation_date: 5\n'),
  { name: 'templates as a link to /etc', metadata: head, members: [link('templates', '/etc')] },
  { name: 'rootfs as a link to /', metadata: head, members: [link('rootfs', '/')] },
  {
    name: 'a template as a link to a file of the host',
    metadata: `${head}${tpl}{when: [create], template: a.tpl}\n`,
    members: [folder('templates'), link('templates/a.tpl', '/etc/hostname')],
  },
  {
    name: 'a template as a link to another',
    metadata: `${head}${tpl}{when: [create], template: b.tpl}\n`,
    members: [template, link('templates/b.tpl', 'a.tpl')],
  },
  {
    name: 'a template with ..',
    metadata: `${head}${tpl}{when: [create], template: ../../../../../../../etc/hostname}\n`,
  },
  {
    name: 'a member behind a link',
    metadata: head,
    late: [link('rootfs/a', '/tmp'), file('rootfs/a/headwater')],
  },
  {
    name: 'a member behind a link within',
    metadata: head,
    late: [link('rootfs/lib', 'etc'), file('rootfs/lib/a')],
  },
  { name: 'a name with ..', metadata: head, late: [file('rootfs/../../headwater')] },
  { name: 'an absolute link in the root', metadata: head, late: [link('rootfs/etc/mtab', '/proc/mounts')] },
  { name: 'a hard link in the root', metadata: head, late: [hard('rootfs/bin/other', 'rootfs/bin/sh')] },
  {
    name: 'a hard link to a later file',
    metadata: head,
    late: [hard('rootfs/a', 'rootfs/b'), file('rootfs/b')],
  },
  {
    name: 'a hard link to a link',
    metadata: head,
    late: [link('rootfs/a', 'bin/sh'), hard('rootfs/b', 'rootfs/a')],
  },
  { name: 'a hard link to a folder', metadata: head, late: [hard('rootfs/a', 'rootfs/etc')] },
  {
    name: 'a folder in the place of an absolute link',
    metadata: head,
    late: [link('rootfs/a', '/tmp'), folder('rootfs/a')],
  },
  {
    name: 'a folder in the place of a link',
    metadata: head,
    late: [link('rootfs/a', 'etc'), folder('rootfs/a')],
  },
  {
    name: 'a template behind a link out of the root',
    metadata: `${head}templates:\n  /a/x: {when: [create], template: a.tpl}\n`,
    members: [template],
    late: [link('rootfs/a', '/tmp')],
  },
  {
    name: 'a template for a folder',
    metadata: `${head}templates:\n  /etc: {when: [create], template: a.tpl}\n`,
    members: [template],
  },
  { name: 'a hard link to metadata.yaml', metadata: head, late: [hard('rootfs/x', 'metadata.yaml')] },
  { name: 'another link', metadata: head, members: [link('other', '/etc/passwd')] },
  { name: 'metadata.yaml twice', metadata: head, late: [file('metadata.yaml', head)] },
  { name: 'a file beside the root', metadata: head, members: [file('README')] },
  { name: 'programs of arm64', metadata: head, program: elf(183) },
];

/** The first bytes of a program of another machine. */
function elf(machine: number): Buffer {
  const bytes = Buffer.alloc(4096);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes.writeUInt16LE(2, 16);
  bytes.writeUInt16LE(machine, 18);
  return bytes;
}

/** Documents that differ from good ones in pieces, the same for the same seed. */
export function generated(seed: number, count: number): Case[] {
  const random = generator(seed);
  const pick = <Value>(values: readonly Value[]): Value =>
    values[Math.floor(random() * values.length)] as Value;
  const scalars = [
    '5',
    '1700000000',
    '"5"',
    '~',
    '',
    'yes',
    'on',
    'true',
    'x',
    "'x'",
    '1.5',
    '0x1f',
    '0o7',
    '-3',
    '1e3',
    'null',
    'Null',
    '!!str 5',
    '!!int 5',
    '!!bool "yes"',
    '!y 5',
    '2024-01-01',
    '.inf',
    '[a]',
    '{a: b}',
    '&a 5',
    '|\n    text',
    '>-\n    text',
    'a b',
    'a: b',
    '- a',
    '"a\\nb"',
    '"\\x41"',
    '"\\q"',
    '@a',
    '`a',
    '%a',
    'a #b',
    '!!float 1',
    '1_0',
    '0b1',
    '09',
    '+1',
    '1.',
    '.1',
    '1e',
    '0x',
    '12:30',
    '=',
    '<<',
    '"',
    '[',
    '{',
  ];
  return Array.from({ length: count }, (_, index) => {
    const lines = [
      `architecture: ${random() < 0.9 ? 'x86_64' : pick(scalars)}`,
      `creation_date: ${random() < 0.6 ? '1700000000' : pick(scalars)}`,
    ];
    if (random() < 0.3) lines.push(`expiry_date: ${pick(scalars)}`);
    if (random() < 0.6)
      lines.push(
        `properties:\n  a: ${pick(scalars)}\n  ${random() < 0.8 ? 'b' : pick(scalars)}: ${pick(scalars)}`,
      );
    if (random() < 0.4) {
      const when = random() < 0.8 ? '[create]' : pick(scalars);
      const only = random() < 0.7 ? 'false' : pick(scalars);
      lines.push(`templates:\n  /etc/x:\n    when: ${when}\n    create_only: ${only}\n    template: a.tpl`);
    }
    if (random() < 0.1) lines.push(`more: ${pick(scalars)}`);
    return { name: `generated ${seed}/${index}`, metadata: `${lines.join('\n')}\n`, members: [template] };
  });
}

/** mulberry32 */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A unified image whose root starts. @param busybox a program that is linked statically */
export async function unifiedImage(
  { metadata, members = [], late = [], program }: Case,
  busybox: Buffer,
): Promise<Buffer> {
  const folders = ['bin', 'dev', 'etc', 'proc', 'root', 'run', 'sbin', 'sys', 'tmp', 'var'];
  return await packTar([
    file('metadata.yaml', metadata),
    ...members,
    folder('rootfs'),
    ...folders.map((name) => folder(`rootfs/${name}`)),
    file('rootfs/sbin/init', program ?? busybox),
    hard('rootfs/bin/sh', 'rootfs/sbin/init'),
    ...late,
  ]);
}
