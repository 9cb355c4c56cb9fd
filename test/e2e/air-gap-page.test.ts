import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bootableImage } from '../support/bootable-image.ts';
import { type CommandBlock, documentedCommands, documentedSettings } from './documented-commands.ts';
import { Headwater } from './headwater.ts';
import { ImageServer } from './image-server.ts';
import { Inside } from './inside.ts';

// The commands of docs/air-gap.md, in a shell at the site that each of them is for.

let outside: Headwater;
let inside: Inside;
let upstream: ImageServer;
let blocks: CommandBlock[];

/** Both sites see the medium as /media/stick, and the inside a configuration of its own in /etc/headwater. */
const medium = (...names: string[]) => path.join(outside.directory, 'media', 'stick', ...names);

async function mounted(script: string, site: 'outside' | 'inside'): Promise<string> {
  const etc = inside.at('etc');
  const mounts = [
    `mount --bind '${path.dirname(medium())}' /media`,
    `mount -t overlay overlay -o 'lowerdir=/etc,upperdir=${etc}/upper,workdir=${etc}/work' /etc`,
  ].join('\n');
  const wrapped = `unshare --mount sh -e -c '${mounts.replaceAll("'", `'\\''`)}\nexec sh -e -c "$SCRIPT"'`;
  if (site === 'outside') {
    return await outside.shell(
      `SCRIPT="$(cat <<'END_OF_SCRIPT'\n${script}\nEND_OF_SCRIPT\n)"; export SCRIPT\n${wrapped}`,
    );
  }
  const { code, stdout, stderr } = await inside.shell(wrapped, { SCRIPT: script });
  if (code !== 0) throw new Error(`${script}: exit code ${code}\n${stdout}${stderr}`);
  return stdout;
}

/** The blocks of a section. */
function section(title: string): string[] {
  const found = blocks.filter((block) => block.section === title).map(({ commands }) => commands);
  expect(found.length, `section "${title}"`).toBeGreaterThan(0);
  return found;
}

/** A new version at the upstream. */
async function release(day: number): Promise<void> {
  const marker = `day-${day}`;
  const [, root] = await bootableImage(path.join(outside.directory, 'work', marker), { marker });
  const made = `2026-01-0${day}T00:00:00Z`;
  await upstream.add({ release: 'bookworm', architecture: 'x86_64', made }, root);
}

beforeAll(async () => {
  blocks = await documentedCommands('air-gap.md');
  outside = await Headwater.create({ site: 'hq', mirrorDir: 'mirrors', bundleDir: 'bundles' });
  upstream = await ImageServer.create();
  inside = await Inside.create({ site: 'vault-7' });
  for (const directory of ['upper', 'work']) await mkdir(inside.at('etc', directory), { recursive: true });
  for (const directory of ['media/stick', 'work', 'bin', 'bundles', 'mirrors']) {
    await mkdir(path.join(outside.directory, directory), { recursive: true });
  }
  await mkdir(inside.at('home'), { recursive: true });
  await mkdir(inside.at('bin'), { recursive: true });
  await writeFile(
    path.join(outside.directory, 'mirrors/debian.yaml'),
    `url: ${upstream.url}\nkeyring: ${upstream.keyring}\n`,
  );
  // A diode is a file here: what is sent can be received.
  for (const [directory, name, command] of [
    [path.join(outside.directory, 'bin'), 'diode-send', `exec cat > '${medium('diode')}'`],
    [inside.at('bin'), 'diode-receive', `exec cat '${medium('diode')}'`],
  ] as const) {
    await writeFile(path.join(directory, name), `#!/bin/sh\n${command}\n`);
    await chmod(path.join(directory, name), 0o755);
  }
});

afterAll(async () => {
  await inside.remove();
  await upstream.remove();
  await outside.remove();
});

test('each command of the page runs as it stands', async () => {
  for (const commands of section('Once')) await mounted(commands, 'outside');
  // By a way that you trust: into the directory of the site, its home directory, and where its definition expects it.
  await mkdir(inside.at('etc/upper/headwater'), { recursive: true });
  for (const target of ['site/hq.gpg', 'home/hq.gpg', 'etc/upper/headwater/hq.gpg']) {
    await copyFile(path.join(outside.directory, 'hq.gpg'), inside.at(target));
  }
  for (const [file, settings] of await documentedSettings('air-gap.md')) {
    if (file === 'mirrors/hq.yaml') await writeFile(inside.at('site', file), settings);
  }
  for (let number = 1; number <= 6; number++) {
    await release(number);
    if (number === 1) await upstream.start();
    await mounted('headwater mirror run\nheadwater bundle create --to vault-7 /media/stick', 'outside');
    await mounted(`headwater bundle import hq /media/stick/vault-7-000${number}`, 'inside');
  }
  await release(7);
  for (const commands of section('Each time')) await mounted(commands, 'outside');
  const [imported = ''] = section('At the other site, each time');
  await mounted(imported, 'inside');
  for (const commands of section('Check a bundle')) await mounted(commands, 'inside');
  const listed = await inside.headwater('list', '--all-versions', '--json');
  expect((JSON.parse(listed) as unknown[]).length).toBe(7);
});

test('the commands for a one-way link run as they stand', async () => {
  await release(8);
  await mounted('headwater mirror run', 'outside');
  const [oneWay = ''] = section('Over a one-way link');
  const [send = '', receive = ''] = oneWay.trim().split('\n');
  await mounted(send, 'outside');
  await mounted(receive, 'inside');
  const [, fromLink = ''] = section('At the other site, each time');
  await mounted(fromLink, 'inside');
  expect(await inside.headwater('list')).toContain('20260108_0000');
});

test('the commands for receipts run as they stand', async () => {
  const [inFull = '', taken = '', short = '', code = ''] = section('Receipts');
  await mounted('headwater key create', 'inside');
  await mounted(inFull, 'inside');
  await mounted(`headwater key export > /media/stick/vault-7.gpg`, 'inside');
  await copyFile(medium('vault-7.gpg'), path.join(outside.directory, 'bundles/vault-7.gpg'));
  await writeFile(path.join(outside.directory, 'bundles/vault-7.yaml'), 'receiptKeyring: vault-7.gpg\n');
  await mounted(taken, 'outside');
  expect(await outside.cli('bundle', 'list')).toMatch(/acknowledged/);
  await mounted('headwater bundle import hq /media/stick/vault-7-0009', 'inside');
  const printed = (await mounted(short, 'inside')).trim();
  expect(printed).toMatch(/^vault-7 9 /);
  // A person reads the code out.
  await mounted(code.replace(/vault-7 \d+ \S+/, printed), 'outside');
});
