import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeadwaterError } from '../../../src/errors.ts';
import { describeViolation } from '../../../src/image/image-rules.ts';
import { inspectWhole } from '../../../src/image/inspect.ts';
import { type PackEntry, packTar } from '../../../src/image/tar/tar-pack.ts';

const mtime = new Date(0);
const head = 'architecture: x86_64\ncreation_date: 1700000000\n';

type Short = [name: string, what?: string | { link: string } | { hard: string } | { device: true } | null];

function entry([name, what = null]: Short): PackEntry {
  if (what === null) return { name, type: 'directory', mode: 0o755, mtime };
  if (typeof what === 'string') return { name, type: 'file', mode: 0o644, mtime, bytes: Buffer.from(what) };
  if ('link' in what) return { name, type: 'symlink', mode: 0o777, mtime, linkName: what.link };
  if ('hard' in what) return { name, type: 'link', mode: 0o644, mtime, linkName: what.hard };
  return { name, type: 'character-device', mode: 0o666, mtime };
}

const metadata = (rest = ''): Short => ['metadata.yaml', `${head}${rest}`];
const root: Short[] = [['rootfs'], ['rootfs/etc'], ['rootfs/bin'], ['rootfs/bin/sh', '#!']];
const template = (file: string, target = '/etc/hostname') =>
  `templates:\n  ${target}: {when: [create], template: ${file}}\n`;

async function look(members: Short[]) {
  return await inspectWhole(await packTar(members.map(entry)));
}

async function broken(members: Short[]): Promise<string[]> {
  const content = await look(members);
  return 'violations' in content ? (content.violations ?? []).map(describeViolation) : [];
}

describe('what leads out of an image is found', () => {
  it.each<[string, Short[], string]>([
    [
      'templates as a link',
      [metadata(), ['templates', { link: '/etc' }], ...root],
      'templates-link, CVE-2026-48752',
    ],
    ['templates as a link of metadata', [metadata(), ['templates', { link: '../x' }]], 'templates-link'],
    [
      'a template as a link',
      [metadata(), ['templates'], ['templates/a.tpl', { link: '/etc/shadow' }], ...root],
      'templates-link',
    ],
    [
      'a template as a link out of templates',
      [metadata(), ['templates'], ['templates/a.tpl', { link: '../rootfs/etc/x' }], ...root],
      'templates-link',
    ],
    [
      'rootfs as a link',
      [metadata(), ['rootfs', { link: '/' }], ['rootfs/etc/x', 'x']],
      'rootfs-link, CVE-2026-48749',
    ],
    ['rootfs as a link, without members', [metadata(), ['rootfs', { link: '/' }]], 'rootfs-link'],
    [
      'a template for a path behind a link out of the root',
      [
        metadata(template('a.tpl', '/lnk/x')),
        ['templates/a.tpl', 'x'],
        ...root,
        ['rootfs/lnk', { link: '/tmp' }],
      ],
      'template-target',
    ],
    [
      'a template for a link out of the root',
      [
        metadata(template('a.tpl', '/etc/y')),
        ['templates/a.tpl', 'x'],
        ...root,
        ['rootfs/etc/y', { link: '../../y' }],
      ],
      'template-target',
    ],
    [
      'exec-output as a link',
      [metadata(), ['exec-output', { link: '/etc' }], ...root],
      'exec-output-link, CVE-2026-48750',
    ],
    [
      'a link below exec-output',
      [metadata(), ['exec-output'], ['exec-output/a', { link: '/etc/passwd' }], ...root],
      'exec-output-link',
    ],
    ['another link', [metadata(), ['backup.yaml', { link: '/etc/passwd' }], ...root], 'outside-link'],
    [
      'a hard link out of the root',
      [metadata(), ...root, ['rootfs/x', { hard: 'metadata.yaml' }]],
      'outside-link',
    ],
    [
      'a hard link into the root',
      [metadata(), ...root, ['templates/x', { hard: 'rootfs/bin/sh' }]],
      'outside-link',
    ],
    ['a hard link with ..', [metadata(), ...root, ['rootfs/x', { hard: '../x' }]], 'outside-link'],
    ['an absolute hard link', [metadata(), ...root, ['rootfs/x', { hard: '/etc/passwd' }]], 'outside-link'],
    ['a device', [metadata(), ['sda', { device: true }], ...root], 'outside-device'],
    ['a name with ..', [metadata(), ['../x', 'x'], ...root], 'outside-name'],
    ['a name with .. in the root', [metadata(), ['rootfs/../../x', 'x'], ...root], 'outside-name'],
    ['an absolute name', [metadata(), ['/etc/x', 'x'], ...root], 'outside-name'],
    [
      'a member behind a link',
      [metadata(), ...root, ['rootfs/a', { link: '/etc' }], ['rootfs/a/x', 'x']],
      'behind-link',
    ],
    [
      'a member far behind a link',
      [metadata(), ...root, ['rootfs/a', { link: '/etc' }], ['rootfs/b', 'b'], ['rootfs/a/x/y/z', 'x']],
      'behind-link',
    ],
    [
      'a member behind links of links',
      [
        metadata(),
        ...root,
        ['rootfs/a', { link: '../..' }],
        ['rootfs/b', { link: 'a' }],
        ['rootfs/b/x', 'x'],
      ],
      'behind-link',
    ],
    [
      'a member behind a ring of links',
      [metadata(), ...root, ['rootfs/a', { link: 'b' }], ['rootfs/b', { link: 'a' }], ['rootfs/b/x', 'x']],
      'behind-link',
    ],
    [
      'a hard link to what is behind a link',
      [metadata(), ...root, ['rootfs/a', { link: '/etc' }], ['rootfs/x', { hard: 'rootfs/a/shadow' }]],
      'behind-link',
    ],
    ['a template with ..', [metadata(template('../../../etc/shadow')), ...root], 'template-path'],
    [
      'a template for a file outside',
      [metadata(template('a.tpl', '/../../x')), ['templates/a.tpl', 'x'], ...root],
      'template-target',
    ],
    ['a bare root with ..', [['bin'], ['etc'], ['../x', 'x']], 'outside-name'],
    [
      'a bare root with a member behind a link',
      [['etc'], ['bin', { link: '/usr/bin' }], ['bin/x', 'x']],
      'behind-link',
    ],
  ])('%s', async (_, members, rule) => {
    const found = await broken(members);
    expect(found.join('\n')).toContain(`(rule ${rule}`);
    // The order of members matters only where one is behind another.
    if (!rule.startsWith('behind') && rule !== 'rootfs-link') {
      expect((await broken([...members].reverse())).join('\n')).toContain(`(rule ${rule}`);
    }
  });
});

describe('what real images have is taken', () => {
  it.each<[string, Short[]]>([
    ['absolute links in the root', [metadata(), ...root, ['rootfs/etc/mtab', { link: '/proc/self/mounts' }]]],
    [
      'links that climb in the root',
      [metadata(), ...root, ['rootfs/etc/os-release', { link: '../../../usr/lib/os-release' }]],
    ],
    ['hard links in the root', [metadata(), ...root, ['rootfs/bin/bash', { hard: 'rootfs/bin/sh' }]]],
    ['hard links with ./', [metadata(), ...root, ['./rootfs/bin/bash', { hard: './rootfs/bin/sh' }]]],
    ['devices in the root', [metadata(), ...root, ['rootfs/dev/null', { device: true }]]],
    [
      'members behind a link within the root',
      [metadata(), ...root, ['rootfs/sbin', { link: 'bin' }], ['rootfs/sbin/x', 'x']],
    ],
    [
      'a folder in the place of a link',
      [metadata(), ...root, ['rootfs/a', { link: 'bin' }], ['rootfs/a'], ['rootfs/a/x', 'x']],
    ],
    [
      'a hard link behind a link within the root',
      [metadata(), ...root, ['rootfs/b', { link: 'bin' }], ['rootfs/h', { hard: 'rootfs/b/sh' }]],
    ],
    [
      'a hard link to a link',
      [metadata(), ...root, ['rootfs/l', { link: 'bin/sh' }], ['rootfs/h', { hard: './rootfs/l' }]],
    ],
    [
      'a template on a folder that is never used',
      [metadata('templates: {/etc: {when: [], template: a.tpl}}\n'), ...root],
    ],
    [
      'links among templates that no template is',
      [
        metadata(template('a.tpl')),
        ['templates/a.tpl', 'x'],
        ['templates/b.tpl', { link: 'a.tpl' }],
        ...root,
      ],
    ],
    [
      'templates as hard links',
      [
        metadata(template('b.tpl')),
        ['templates/a.tpl', 'x'],
        ['templates/b.tpl', { hard: 'templates/a.tpl' }],
        ...root,
      ],
    ],
    ['a template in a folder', [metadata(template('./b//c.tpl')), ['templates/b/c.tpl', 'x'], ...root]],
    ['a template that is never used', [metadata('templates: {/x: {when: [], template: a.tpl}}\n'), ...root]],
    [
      'a bare root with links',
      [['usr'], ['usr/bin'], ['etc'], ['bin', { link: 'usr/bin' }], ['bin/x', 'x'], ['a', { link: '/etc' }]],
    ],
    [
      'a bare root with absolute names',
      [['/bin'], ['/etc'], ['/bin/sh', 'x'], ['/bin/x', { hard: '/bin/sh' }]],
    ],
    ['a bare root with devices', [['bin'], ['etc'], ['dev/null', { device: true }]]],
  ])('%s', async (_, members) => {
    expect(await broken(members)).toEqual([]);
  });
});

it.each([
  [
    'a template whose file is missing',
    template('a.tpl'),
    'templates./etc/hostname.template "a.tpl": the archive has no plain file',
  ],
  [
    'a template without a file',
    'templates: {/etc/x: {when: [start]}}\n',
    'templates./etc/x.template is missing',
  ],
  [
    'a template with a slash before it',
    template('/there.tpl'),
    'templates./etc/hostname.template "/there.tpl"',
  ],
  [
    'a template with ..',
    template('folder/../there.tpl'),
    'templates./etc/hostname.template "folder/../there.tpl"',
  ],
  ['a template that is a link', template('link.tpl'), 'templates./etc/hostname.template "link.tpl"'],
  ['a template that is a folder', template('folder'), 'templates./etc/hostname.template "folder"'],
])('%s is refused', async (_, yaml, message) => {
  const refused = look([
    metadata(yaml),
    ['templates/folder'],
    ['templates/there.tpl', 'x'],
    ['templates/link.tpl', { link: 'there.tpl' }],
    ...root,
  ]);
  await expect(refused).rejects.toThrow(HeadwaterError);
  await expect(refused).rejects.toThrow(message);
});

it.each<[string, Short[], string]>([
  [
    'a hard link to a file that comes later',
    [metadata(), ...root, ['rootfs/h', { hard: 'rootfs/later' }], ['rootfs/later', 'x']],
    'not an earlier file of the archive',
  ],
  [
    'a hard link to nothing, of a bare root',
    [['bin'], ['etc'], ['bin/sh', 'x'], ['h', { hard: 'bin/other' }]],
    'not an earlier file of the archive',
  ],
  [
    'a hard link to a folder',
    [metadata(), ...root, ['rootfs/h', { hard: 'rootfs/etc' }]],
    'not an earlier file of the archive',
  ],
  [
    'a folder in the place of an absolute link',
    [metadata(), ...root, ['rootfs/a', { link: '/etc' }], ['rootfs/a']],
    'and later a directory',
  ],
  [
    'a folder in the place of a link with ..',
    [metadata(), ...root, ['rootfs/a', { link: '../x' }], ['rootfs/a']],
    'and later a directory',
  ],
  ['rootfs as a file', [metadata(), ['rootfs', 'x']], 'rootfs is a file'],
  [
    'a template for a folder',
    [metadata(template('a.tpl', '/etc/')), ['templates/a.tpl', 'x'], ...root],
    'this path is a directory',
  ],
  [
    'a template for the root',
    [metadata(template('a.tpl', '/')), ['templates/a.tpl', 'x'], ...root],
    'this path is a directory',
  ],
])('what the daemons cannot unpack or start is refused: %s', async (_, members, message) => {
  const refused = look(members);
  await expect(refused).rejects.toThrow(HeadwaterError);
  await expect(refused).rejects.toThrow(message);
});

it('no path through links within the root is taken for one out of it, and none out of it for one within', async () => {
  const part = fc.constantFrom('a', 'b', 'c', '..', '.');
  const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const name = fc.constantFrom('a', 'b', 'c');
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(name, path),
      fc.array(name, { minLength: 2, maxLength: 4 }),
      async (links, parts) => {
        const members = Object.entries(links).map(([from, to]): Short => [`rootfs/${from}`, { link: to }]);
        const found = await broken([metadata(), ...members, ...root, [`rootfs/${parts.join('/')}`, 'x']]);
        expect(found.some((line) => line.includes('behind-link'))).toBe(
          leavesByHand(links, parts.slice(0, -1)),
        );
      },
    ),
    { numRuns: 300 },
  );
});

/** Follows links one part at a time, by the words of path_resolution(7). */
function leavesByHand(links: Record<string, string>, parts: string[]): boolean {
  let here: string[] = [];
  const todo = [...parts];
  for (let steps = 0; todo.length > 0; steps += 1) {
    if (steps > 500) return true;
    const part = todo.shift() ?? '';
    if (part === '.') continue;
    if (part === '..') {
      if (here.length === 0) return true;
      here = here.slice(0, -1);
      continue;
    }
    const target = here.length === 0 ? links[part] : undefined;
    if (target === undefined) here = [...here, part];
    else todo.unshift(...target.split('/'));
  }
  return false;
}
