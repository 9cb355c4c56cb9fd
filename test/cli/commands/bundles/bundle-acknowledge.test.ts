import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import type { Manifest } from '../../../../src/bundle/format/manifest-schema.ts';
import { renderReceipt } from '../../../../src/bundle/receipt/receipt.ts';
import { renderCode, stateCode } from '../../../../src/bundle/receipt/short-code.ts';
import { scratchDirectory } from '../../../support/catalog.ts';
import { run } from '../../../support/command.ts';
import { scratchSite } from '../../../support/signing.ts';
import { headwater } from '../../command-line.ts';

let directory: string;
const at = (...names: string[]) => join(directory, ...names);
const bundle = async (...args: string[]) => await headwater(['bundle', ...args], { cwd: directory });

/** Writes the next bundle. @returns its manifest, with its SHA-256 */
async function create(...args: string[]): Promise<Manifest & { identity: string }> {
  const { code, stderr, stdout } = await bundle('create', '--to', 'vault-7', 'out', '--json', ...args);
  if (code !== 0) throw new Error(stderr);
  const created = (JSON.parse(stdout) as { directory: string }).directory;
  const inspected = await bundle('inspect', created, '--unsigned', '--json');
  return JSON.parse(inspected.stdout) as Manifest & { identity: string };
}

function digestsOf({ carried, assumed }: Manifest): string[] {
  return [...carried, ...assumed].map(({ digest }) => digest.replace('sha256:', ''));
}

beforeEach(async () => {
  directory = await scratchDirectory();
  await writeFile(at('headwater.yaml'), 'site: hq\n');
  await run('mkdir', ['-p', at('root/sbin'), at('root/etc'), at('out')]);
  await writeFile(at('root/etc/os-release'), 'ID=debian\nVERSION_CODENAME=x\n');
  await writeFile(at('root/sbin/init'), '#!/bin/sh\n', { mode: 0o755 });
  await run('tar', ['-C', at('root'), '-cf', at('root.tar'), '.']);
  const named = ['--os', 'debian', '--release', 'small', '--arch', 'amd64', '--create-stream'];
  for (const args of [
    ['publish', 'root.tar', ...named],
    ['key', 'create'],
  ]) {
    const { code, stderr } = await headwater(args, { cwd: directory });
    if (code !== 0) throw new Error(stderr);
  }
});

test('a signed receipt makes the next bundle carry what the site lost', async () => {
  const sent = await create();
  const [lost = '', ...held] = digestsOf(sent);
  const site = await scratchSite();
  const stranger = await scratchSite();
  const receipt = renderReceipt({
    ...{ site: 'vault-7', from: 'hq', created: new Date().toISOString(), headwater: '0.2.0' },
    ...{ last: { sequence: 1, identity: sent.identity }, missing: [lost], held },
  });
  await writeFile(at('vault-7.receipt'), await site.clearSign(receipt));

  const forged = await bundle('acknowledge', 'vault-7.receipt', '--keyring', stranger.keyring);
  expect(forged).toMatchObject({ code: 3, stderr: expect.stringContaining('it is signed by another key') });
  const changed = (await readFile(at('vault-7.receipt'), 'utf8')).replace('"sequence": 1', '"sequence": 2');
  await writeFile(at('changed.receipt'), changed);
  const tampered = await bundle('acknowledge', 'changed.receipt', '--keyring', site.keyring);
  expect(tampered).toMatchObject({ code: 3, stderr: expect.stringContaining('changed after it was signed') });
  const unchecked = await bundle('acknowledge', 'vault-7.receipt');
  expect(unchecked).toMatchObject({ code: 2, stderr: expect.stringContaining('missing --keyring') });
  await mkdir(at('bundles'));
  await writeFile(at('bundles/vault-7.yaml'), `receiptKeyring: ${stranger.keyring}\n`);
  const unpinned = await bundle('acknowledge', 'vault-7.receipt');
  expect(unpinned).toMatchObject({ code: 3, stderr: expect.stringContaining('it is signed by another key') });
  expect((await bundle('list')).stdout).toMatch(/ sent /);

  await writeFile(at('bundles/vault-7.yaml'), `receiptKeyring: ${site.keyring}\n`);
  const taken = await bundle('acknowledge', 'vault-7.receipt');
  expect(taken.stdout).toContain('vault-7 has bundle 1');
  expect((await bundle('list')).stdout).toMatch(/ acknowledged /);
  const next = await create();
  expect(next.carried.map(({ digest }) => digest)).toEqual([`sha256:${lost}`]);
  expect(next.assumed.map(({ digest }) => digest)).toEqual(held.map((digest) => `sha256:${digest}`));
}, 120_000);

test('a bundle is created from a receipt, which a dry run does not record', async () => {
  const sent = await create();
  const site = await scratchSite();
  const receipt = renderReceipt({
    ...{ site: 'vault-7', from: 'hq', created: new Date().toISOString(), headwater: '0.2.0' },
    ...{ last: null, missing: [], held: [] },
  });
  await writeFile(at('vault-7.receipt'), await site.clearSign(receipt));
  const options = ['--receipt', 'vault-7.receipt', '--keyring', site.keyring];
  const dry = await bundle('create', '--to', 'vault-7', '--dry-run', '--json', ...options);
  expect(JSON.parse(dry.stdout)).toMatchObject({ carried: sent.carried.length, assumed: 0 });
  const still = await bundle('create', '--to', 'vault-7', '--dry-run', '--json');
  expect(JSON.parse(still.stdout)).toMatchObject({ carried: 0 });
  const other = await bundle('create', '--to', 'vault-8', '--dry-run', ...options);
  expect(other).toMatchObject({ code: 3, stderr: expect.stringContaining('is a receipt of vault-7') });
  expect((await create(...options)).carried).toHaveLength(sent.carried.length);
}, 120_000);

test('a short code that was read out acknowledges a bundle', async () => {
  const sent = await create();
  const code = renderCode({ site: 'vault-7', sequence: 1, code: stateCode(sent.identity, digestsOf(sent)) });
  const taken = await bundle('acknowledge', ...code.split(' '));
  expect(taken).toMatchObject({ code: 0, stdout: expect.stringContaining('vault-7 has bundle 1') });
  const wrong = await bundle('acknowledge', 'vault-7 1 0000-0000-0000');
  expect(wrong).toMatchObject({ code: 5, stderr: expect.stringContaining('full receipt') });
  const none = await bundle('acknowledge', 'vault-7', '1');
  expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('expected a file or a code') });
}, 120_000);
