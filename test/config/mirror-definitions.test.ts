import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadMirrors } from '../../src/config/mirror-definitions.ts';
import { isSchedule } from '../../src/mirror/schedule.ts';
import { scratchDirectory } from '../support/catalog.ts';

async function load(files: Record<string, string>, env: NodeJS.ProcessEnv = {}) {
  const directory = join(await scratchDirectory(), 'mirrors');
  await mkdir(directory);
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  return loadMirrors({ directory, env, isSchedule });
}

const least = 'url: https://images.example.com/\nunsigned: true\n';

test('a definition needs an address and says whether it is signed', async () => {
  const [mirror] = await load({ 'a.yaml': least, 'notes.txt': 'no mirror', '.hidden.yaml': 'nothing' });
  expect(mirror).toMatchObject({
    name: 'a',
    enabled: true,
    url: 'https://images.example.com',
    select: [{}],
    keep: { versions: 3, removed: 'keep' },
    mode: 'scheduled',
    stream: 'images',
    maxShrink: 50,
  });
});

test('a missing directory has no mirrors', () => {
  expect(loadMirrors({ directory: '/nowhere/at/all', env: {}, isSchedule })).toEqual([]);
});

test('recursive aliases are refused, naming the file', async () => {
  const ring = load({ 'ring.yaml': `${least}select: &a [*a]\n` });
  await expect(ring).rejects.toThrow(/ring\.yaml: the alias \*a contains itself$/);
  const ten = (name: string) => Array(10).fill(name).join(', ');
  const bomb = [`a: &a [${ten('x')}]`, `b: &b [${ten('*a')}]`, `c: &c [${ten('*b')}]`, `d: [${ten('*c')}]`];
  await expect(load({ 'bomb.yaml': bomb.join('\n') })).rejects.toThrow(/bomb\.yaml: Excessive alias count/);
});

test('every key is read: sizes are bytes, durations milliseconds, paths relative to the file', async () => {
  const [mirror] = await load({
    'full.yaml': `
url: https://a.example.com/x
fallback: [https://b.example.com/]
redirects: [cdn.example.com, '*.example.net:8443', 10.0.0.1, '[fd00::1]']
keyring: keys.gpg
ca: /etc/ca.pem
contentId: com.example:released
notBefore: 2026-01-01
select:
  - os: [debian, '!ubuntu']
    type: container
    fields: {subarches: generic}
keep: {age: 90d}
mode: on-demand
cache: {age: 30d, size: 10GiB}
schedule: '17 4 * * *'
timezone: Europe/Berlin
jitter: 20m
bandwidth: 5MiB
maxAge: 3d
upstreamMaxAge: 14d
`,
  });
  expect(mirror?.keyring).toMatch(/mirrors\/keys\.gpg$/);
  expect(mirror).toMatchObject({
    fallback: ['https://b.example.com'],
    redirects: ['cdn.example.com', '*.example.net:8443', '10.0.0.1', '[fd00::1]'],
    ca: '/etc/ca.pem',
    contentId: ['com.example:released'],
    notBefore: new Date('2026-01-01T00:00:00Z'),
    select: [{ os: ['debian', '!ubuntu'], type: ['container'], fields: { subarches: ['generic'] } }],
    keep: { age: 90 * 86_400_000, removed: 'keep' },
    cache: { age: 30 * 86_400_000, size: 10 * 2 ** 30 },
    jitter: 20 * 60_000,
    bandwidth: 5 * 2 ** 20,
    maxAge: 3 * 86_400_000,
    upstreamMaxAge: 14 * 86_400_000,
  });
  expect(mirror?.keep).not.toHaveProperty('versions');
});

test('credentials come from the environment, both or none', async () => {
  const env = { HEADWATER_MIRROR_SITE_B_USER: 'u', HEADWATER_MIRROR_SITE_B_PASSWORD: 'p' };
  const [mirror] = await load({ 'site-b.yaml': least }, env);
  expect(mirror).toMatchObject({ credentials: { user: 'u', password: 'p' } });
  await expect(load({ 'site-b.yaml': least }, { HEADWATER_MIRROR_SITE_B_USER: 'u' })).rejects.toThrow(
    'HEADWATER_MIRROR_SITE_B_USER and HEADWATER_MIRROR_SITE_B_PASSWORD: only one of the two is set',
  );
});

describe('an error names its file, line and key', () => {
  test.each([
    ['url: ftp://a', /a\.yaml:1: url: expected an address/],
    [
      'url: https://a.example.com',
      /a\.yaml.*keyring: expected a file of OpenPGP public keys, or "unsigned: true"/,
    ],
    [`${least}keyring: k`, /a\.yaml:2: unsigned: expected only one of keyring and unsigned/],
    [`${least}unsigne: true`, /a\.yaml:3: unsigne: unknown setting/],
    [`${least}select: [{oss: debian}]`, /a\.yaml:3: select\.0\.oss: unknown setting/],
    [`${least}contentId: []`, /contentId: expected content ids/],
    [`${least}notBefore: last year`, /notBefore: expected a date such as/],
    [`${least}notBefore: '2026-02-31T25:00Z'`, /notBefore: expected a date such as/],
    [`${least}select: []`, /select: expected at least one rule/],
    [`${least}select: [{type: vm}]`, /select\.0\.type: expected container, virtual-machine/],
    [`${least}keep: {versions: 0}`, /keep\.versions: expected a whole number/],
    [`${least}keep: {age: 30}`, /keep\.age: expected a duration/],
    [`${least}schedule: every day`, /schedule: expected a schedule such as/],
    [`${least}timezone: Mars/Olympus`, /timezone: expected a time zone/],
    [`${least}cache: {age: 1d}`, /cache: expected only with "mode: on-demand"/],
    [`${least}redirects: https://cdn.example.com`, /redirects: expected a list of hosts/],
    [
      `${least}redirects: [https://cdn.example.com]`,
      /redirects\.0: expected a host such as cdn\.example\.com/,
    ],
    [`${least}redirects: ['*']`, /redirects\.0: expected a host/],
    [`${least}redirects: ['*.com']`, /redirects\.0: expected a host/],
    [`${least}redirects: [cdn.example.com/path]`, /redirects\.0: expected a host/],
    [`${least}mode: lazy`, /mode: expected one of scheduled, on-demand/],
    ['url: [', /a\.yaml:1: /],
  ])('%j', async (text, message) => {
    await expect(load({ 'a.yaml': text })).rejects.toThrow(message);
  });

  test('in every file at once', async () => {
    const failing = load({
      'a.yaml': 'url: x\nunsigned: true',
      'Bad Name.yaml': least,
      'c.yaml': `${least}no: 1`,
    });
    await expect(failing).rejects.toThrow(
      /3 errors[\s\S]*Bad Name\.yaml[\s\S]*a\.yaml:1: url[\s\S]*c\.yaml:3: no/,
    );
  });
});

test('the ready definitions are valid and disabled', () => {
  const mirrors = loadMirrors({ directory: 'mirrors', env: {}, isSchedule });
  expect(mirrors.map(({ name }) => name)).toEqual([
    'headwater',
    'linuxcontainers',
    'lxd',
    'ubuntu',
    'ubuntu-daily',
    'ubuntu-minimal',
  ]);
  expect(mirrors.filter(({ enabled }) => enabled)).toEqual([]);
});
