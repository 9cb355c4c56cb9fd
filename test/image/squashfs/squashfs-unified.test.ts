import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { describeViolation } from '../../../src/image/image-rules.ts';
import { inspectWhole } from '../../../src/image/inspect.ts';
import { amd64, metadataYaml, program } from '../fixtures.ts';
import { inspect, refusal } from '../inspecting.ts';
import { scratch, tool } from '../tools.ts';

const { directory, remove } = scratch();
afterAll(remove);
const source = path.join(directory, 'source');
const put = (name: string, bytes: string | Buffer) => {
  mkdirSync(path.dirname(path.join(source, name)), { recursive: true });
  writeFileSync(path.join(source, name), bytes);
};

beforeEach(() => {
  rmSync(source, { recursive: true, force: true });
  put('metadata.yaml', `${metadataYaml}templates: {/etc/hostname: {when: [create], template: a.tpl}}\n`);
  put('templates/a.tpl', 'x');
  put('rootfs/usr/bin/dash', program(amd64));
  put('rootfs/etc/noise', randomBytes(300_000));
  symlinkSync('/usr/bin', path.join(source, 'rootfs/bin'));
  symlinkSync('dash', path.join(source, 'rootfs/usr/bin/sh'));
});

function squash(...options: string[]): Buffer {
  const image = path.join(directory, 'image.squashfs');
  rmSync(image, { force: true });
  tool('mksquashfs', [source, image, '-quiet', '-no-progress', ...options]);
  return readFileSync(image);
}

async function broken(): Promise<string> {
  const content = await inspect(squash());
  return 'violations' in content ? (content.violations ?? []).map(describeViolation).join('\n') : '';
}

it.each([
  ['gzip'],
  ['xz'],
  ['zstd'],
  ['gzip', '-no-fragments'],
  ['gzip', '-b', '4K', '-always-use-fragments'],
  ['gzip', '-noD', '-noF', '-noI'],
])('a unified image packed with %s %s is read', async (...options) => {
  expect(await inspect(squash('-comp', ...options))).toMatchObject({
    kind: 'unified',
    compression: 'squashfs',
    type: 'container',
    programs: 'amd64',
    metadata: { architecture: 'amd64', properties: { os: 'Debian' } },
  });
});

it('several at once are read', async () => {
  const image = squash('-comp', 'xz');
  const contents = await Promise.all(Array.from({ length: 8 }, () => inspectWhole(image)));
  for (const { kind } of contents) expect(kind).toBe('unified');
});

it('metadata.yaml of several blocks is read', async () => {
  put('metadata.yaml', `${metadataYaml}# ${randomBytes(150_000).toString('hex')}\n`);
  expect(await inspect(squash('-b', '64K'))).toMatchObject({
    kind: 'unified',
    metadata: { architecture: 'amd64' },
  });
});

it('the programs of a root are known', async () => {
  rmSync(path.join(source, 'metadata.yaml'));
  tool('mksquashfs', [
    path.join(source, 'rootfs'),
    path.join(directory, 'root.squashfs'),
    '-quiet',
    '-no-progress',
  ]);
  const root = readFileSync(path.join(directory, 'root.squashfs'));
  expect(await inspect(root)).toEqual({ kind: 'squashfs', compression: 'none', programs: 'amd64' });
});

describe('refused is', () => {
  it('wrong metadata', async () => {
    put('metadata.yaml', 'architecture: x86_64\ncreation_date: "5"\n');
    expect(await refusal(squash())).toContain('metadata.yaml: creation_date "5"');
  });

  it('a template whose file is missing', async () => {
    rmSync(path.join(source, 'templates/a.tpl'));
    expect(await refusal(squash())).toContain('templates./etc/hostname.template "a.tpl"');
  });

  it('metadata.yaml as a link', async () => {
    rmSync(path.join(source, 'metadata.yaml'));
    symlinkSync('/etc/passwd', path.join(source, 'metadata.yaml'));
    expect(await refusal(squash())).toContain('rule metadata-link');
  });

  it('metadata.yaml without a root', async () => {
    rmSync(path.join(source, 'rootfs'), { recursive: true });
    expect(await refusal(squash())).toContain('holds metadata.yaml without rootfs/');
  });
});

describe('found is', () => {
  it.each([
    ['templates', '/etc', 'templates-link'],
    ['templates/b.tpl', '/etc/shadow', 'templates-link'],
    ['rootfs', '/', 'rootfs-link'],
    ['exec-output', '/etc', 'exec-output-link'],
    ['other', '/etc/passwd', 'outside-link'],
  ])('%s as a link to %s', async (name, target, rule) => {
    if (name === 'templates') put('metadata.yaml', metadataYaml);
    rmSync(path.join(source, name), { recursive: true, force: true });
    symlinkSync(target, path.join(source, name));
    expect(await broken()).toContain(`rule ${rule}`);
  });

  it('a hard link between the root and what is beside it', async () => {
    linkSync(path.join(source, 'metadata.yaml'), path.join(source, 'rootfs/etc/metadata.yaml'));
    expect(await broken()).toContain('rule outside-link');
  });

  it('nothing in what real images have', async () => {
    expect(await broken()).toBe('');
  });
});
