import { expect, test } from 'vitest';
import type { CommandResult } from '../../../support/command.ts';
import { headwater } from '../../command-line.ts';
import { useBundleSite } from './bundle-site.ts';

const { bundle, create, directory, manifestOf, publish } = useBundleSite();

const product = 'debian:small:amd64:default';

async function remove(...args: string[]): Promise<CommandResult> {
  return await headwater(['remove', ...args], { cwd: directory() });
}

test('a bundle names versions that were withdrawn, also those that are no longer listed here', async () => {
  await publish('small', 1000, '20260102_0000');
  await create('out');
  const withdrawn = await remove(`${product}@20260101_0000`, '--withdraw', 'CVE-2026-1234');
  expect(withdrawn).toMatchObject({ code: 0, stdout: `${product}@20260101_0000 withdrawn\n` });
  const old = await remove(`${product}@20250101_0000`, '--withdraw', 'broken');
  expect(old).toMatchObject({ code: 0, stdout: `${product}@20250101_0000 withdrawn\n` });
  await create('out');
  const { versions, withdrawn: named } = await manifestOf('vault-7-0002');
  expect(versions.map(({ serial }) => serial)).toEqual(['20260102_0000']);
  expect(named).toMatchObject([
    { stream: 'images', product, serial: '20250101_0000', reason: 'broken' },
    { stream: 'images', product, serial: '20260101_0000', reason: 'CVE-2026-1234' },
  ]);
  const { stdout } = await bundle('inspect', 'out/vault-7-0002', '--keyring', 'hq.gpg');
  expect(stdout).toMatch(/^withdrawn: +2$/m);
});

test('the last version of a site can be withdrawn', async () => {
  await create('out');
  await remove(`${product}@20260101_0000`, '--withdraw', 'a hole');
  await create('out');
  const manifest = await manifestOf('vault-7-0002');
  expect(manifest.versions).toEqual([]);
  expect(manifest.withdrawn).toHaveLength(1);
  expect((await bundle('verify', 'out/vault-7-0002', '--keyring', 'hq.gpg')).code).toBe(0);
});

test.each([
  [[product, '--withdraw', ''], 3, '--withdraw: give the reason, in 1 to 500 characters'],
  [['debian:none:amd64:default@20260101_0000', '--withdraw', 'x'], 4, 'no image matches'],
])('remove %j is refused', async (args, code, message) => {
  expect(await remove(...args)).toMatchObject({ code, stderr: expect.stringContaining(message) });
});
