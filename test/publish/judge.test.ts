import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { imageRules } from '../../src/image/image-rules.ts';
import type { ImageRules } from '../../src/publish/judge.ts';
import { publish } from '../../src/publish/publisher.ts';
import { push } from '../../src/publish/push.ts';
import { openWorkspace, type Workspace } from '../../src/server/workspace.ts';
import { amd64, file, folder, packTar, program, symlink } from '../image/fixtures.ts';
import { asTestActor, scratchDirectory, testActor } from '../support/catalog.ts';

const warnings: string[] = [];
/** Who sent the images of {@link warnings}. */
const senders: string[] = [];

async function workspace(rules: ImageRules = {}): Promise<Workspace> {
  const overrides = { dataDir: await scratchDirectory(), imageRules: rules };
  warnings.length = 0;
  senders.length = 0;
  const onWarning = (warning: string, client: string) => {
    warnings.push(warning);
    senders.push(client);
  };
  const opened = asTestActor(await openWorkspace(loadConfig({ env: {}, overrides }), { onWarning }));
  onTestFinished(() => opened.close());
  return opened;
}

const yaml = (architecture: string) =>
  `architecture: ${architecture}\ncreation_date: 1735689600\nproperties: {os: debian, release: bookworm}\n`;
const root = (machine: number, bits: 32 | 64 = 64) => [
  folder('rootfs'),
  folder('rootfs/etc'),
  file('rootfs/bin/sh', program(machine, { bits })),
];
const reaching = () =>
  packTar([file('metadata.yaml', yaml('amd64')), symlink('templates', '/etc'), ...root(amd64)]);

async function all<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const found: Value[] = [];
  for await (const value of values) found.push(value);
  return found;
}

async function publishBytes({ destination }: Workspace, bytes: Buffer) {
  const path = join(await scratchDirectory(), 'image.tar');
  await writeFile(path, bytes);
  return await publish(destination, { files: [{ from: 'disk', name: 'image.tar', path }] });
}

async function pushBytes({ destination }: Workspace, bytes: Buffer) {
  async function* files() {
    yield {
      name: 'the image',
      bytes: (async function* () {
        yield bytes;
      })(),
    };
  }
  const request = {
    stream: 'pushed',
    aliases: [],
    public: true,
    properties: {},
    profiles: [],
    filename: 'x',
    autoUpdate: false,
    pushedBy: 'client:x',
  };
  return await push(destination, files(), request, { quotas: {} });
}

test('the setting knows every rule, and no other', () => {
  const all: ImageRules = Object.fromEntries(imageRules.map((rule) => [rule, 'warn']));
  expect(loadConfig({ env: {}, overrides: { imageRules: all } }).imageRules).toEqual(all);
  const set = (rules: string) => () => loadConfig({ env: { HEADWATER_IMAGE_RULES: rules } });
  expect(set('{other: warn}')).toThrow('other');
  expect(set('{rootfs-link: no}')).toThrow('refuse, warn');
});

test.each([
  ['published', publishBytes],
  ['pushed', pushBytes],
])('an image that points out of itself is not %s, and nothing of it stays', async (_, take) => {
  const opened = await workspace({ 'rootfs-link': 'warn' });
  await expect(take(opened, await reaching())).rejects.toThrow(
    /"templates" is a link to "\/etc": .* \(rule templates-link, CVE-2026-48752\).*imageRules: \{templates-link: warn\}/,
  );
  expect((await all(opened.store.list())).length).toBe(0);
});

test.each([
  ['published', publishBytes],
  ['pushed', pushBytes],
])('where the rule only warns it is %s with a warning', async (_, take) => {
  const opened = await workspace({ 'templates-link': 'warn' });
  const taken = await take(opened, await reaching());
  expect(warnings.join()).toContain('rule templates-link');
  const [entry] = await opened.catalog.audit.list({ limit: 1 });
  expect(entry?.action).toMatch(/version.publish|image.push/);
  expect(entry?.details).toMatchObject({ warnings });
  if ('warnings' in taken) expect(taken.warnings.join()).toContain('rule templates-link');
});

test.each([
  ['published', publishBytes],
  ['pushed', pushBytes],
])('who sent an image that breaks a rule is told when it is %s', async (_, take) => {
  const opened = await workspace({ 'templates-link': 'warn' });
  const destination = opened.destination.by({ ...testActor, who: 'client:laptop' });
  await take({ ...opened, destination }, await reaching());
  expect(senders).toEqual(['client:laptop']);
});

test.each([
  ['published', publishBytes],
  ['pushed', pushBytes],
])('an image whose programs its architecture does not run is not %s', async (_, take) => {
  const image = (architecture: string, machine: number, bits?: 32 | 64) =>
    packTar([file('metadata.yaml', yaml(architecture)), ...root(machine, bits)]);
  await expect(take(await workspace(), await image('aarch64', amd64))).rejects.toThrow(
    'its programs are for amd64, but metadata.yaml says architecture: arm64',
  );
  await expect(take(await workspace(), await image('i686', amd64))).rejects.toThrow('programs are for amd64');
  // A kernel of 64 bits runs programs of 32.
  await take(await workspace(), await image('x86_64', 3, 32));
  await take(await workspace(), await image('aarch64', 40, 32));
});
