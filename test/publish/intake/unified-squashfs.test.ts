import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { publish } from '../../../src/publish/publisher.ts';
import { push } from '../../../src/publish/push.ts';
import { openWorkspace, type Workspace } from '../../../src/server/workspace.ts';
import { amd64, program } from '../../image/fixtures.ts';
import { tool } from '../../image/tools.ts';
import { asTestActor, scratchDirectory } from '../../support/catalog.ts';

async function workspace(): Promise<Workspace> {
  const config = loadConfig({ env: {}, overrides: { dataDir: await scratchDirectory() } });
  const opened = asTestActor(await openWorkspace(config));
  onTestFinished(() => opened.close());
  return opened;
}

/** A unified image as `lxc publish --compression squashfs` makes it, with so many bytes of noise. */
async function squashed(architecture: string, noise: number): Promise<string> {
  const directory = await scratchDirectory();
  const yaml = `architecture: ${architecture}\ncreation_date: 1735689600\nproperties: {os: debian, release: bookworm}\n`;
  const files = {
    'metadata.yaml': yaml,
    'rootfs/bin/sh': program(amd64),
    'rootfs/etc/noise': randomBytes(noise),
    'templates/x.tpl': 'x',
  };
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(directory, 'image', name)), { recursive: true });
    await writeFile(join(directory, 'image', name), bytes);
  }
  const path = join(directory, 'image.squashfs');
  tool('mksquashfs', [join(directory, 'image'), path, '-quiet', '-no-progress']);
  return path;
}

const publishFile = ({ destination }: Workspace, path: string) =>
  publish(destination, { files: [{ from: 'disk', name: 'image.squashfs', path }] });

async function pushFile({ destination }: Workspace, path: string) {
  const bytes = await readFile(path);
  async function* files() {
    yield {
      name: 'the image',
      bytes: (async function* () {
        yield bytes;
      })(),
    };
  }
  const said = { aliases: [], properties: {}, profiles: [], filename: 'x', public: false, autoUpdate: false };
  return await push(
    destination,
    files(),
    { ...said, stream: 'pushed', pushedBy: 'client:x' },
    { quotas: {} },
  );
}

// A small one is looked into at once, a large one when the store has it.
test.each([1000, 900_000])('a unified squashfs with %d bytes is published and pushed', async (noise) => {
  const opened = await workspace();
  const path = await squashed('x86_64', noise);
  const { images, product } = await publishFile(opened, path);
  expect(product).toBe('debian:bookworm:amd64:default');
  expect(images).toMatchObject([{ type: 'container', file: 'lxd_combined.tar.gz' }]);
  expect((await pushFile(opened, path)).fingerprint).toBe(images[0]?.fingerprint);
});

test.each([1000, 900_000])(
  'with programs of another architecture and %d bytes it is refused',
  async (noise) => {
    const opened = await workspace();
    const path = await squashed('aarch64', noise);
    for (const take of [publishFile, pushFile]) {
      await expect(take(opened, path)).rejects.toThrow('its programs are for amd64');
    }
    for await (const { digest } of opened.store.list()) expect(digest).toBe('gone');
  },
);

test.each([1000, 900_000])('with metadata that no client reads and %d bytes it is refused', async (noise) => {
  const opened = await workspace();
  const path = await squashed('vax', noise);
  for (const take of [publishFile, pushFile]) {
    await expect(take(opened, path)).rejects.toThrow('architecture "vax" is not known');
  }
  for await (const { digest } of opened.store.list()) expect(digest).toBe('gone');
});
