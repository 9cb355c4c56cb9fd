import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { run } from '../../../support/command.ts';
import { damage, useBundleSite } from './bundle-site.ts';

const { at, bundle, create } = useBundleSite();

test('a package of Headwater lies beside the volumes, and is checked with them', async () => {
  await writeFile(at('headwater-0.2.0.tar.gz'), 'the program');
  await create('--with-headwater', 'headwater-0.2.0.tar.gz', 'out');
  const path = at('out/vault-7-0001');
  expect(await readFile(at('out/vault-7-0001/headwater-0.2.0.tar.gz'), 'utf8')).toBe('the program');
  expect(await readFile(at('out/vault-7-0001/README.txt'), 'utf8')).toContain(
    'headwater-0.2.0.tar.gz is a package of Headwater.',
  );
  await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: path });
  expect((await bundle('verify', path, '--keyring', 'hq.gpg')).code).toBe(0);
  await damage(at('out/vault-7-0001/headwater-0.2.0.tar.gz'), 3);
  const changed = await bundle('verify', path, '--keyring', 'hq.gpg');
  expect(changed).toMatchObject({
    code: 3,
    stdout: expect.stringContaining('headwater-0.2.0.tar.gz: its SHA-256 is not that in SHA256SUMS'),
  });
});

test.each([
  [['--with-headwater', 'none.tar.gz', 'out'], 4, 'none.tar.gz: no such file'],
  [['--with-headwater', 'folder', 'out'], 3, 'folder: is not a file'],
  [['--with-headwater', 'README.txt', 'out'], 2, 'cannot have a file of the name "README.txt"'],
  [['--with-headwater', 'x.0001.tar', 'out'], 2, 'cannot have a file of the name "x.0001.tar"'],
  [['--with-headwater', 'README.txt', '-'], 2, '--with-headwater: a stream has no other files'],
])('%j is refused', async (args, code, message) => {
  await mkdir(at('folder'));
  for (const name of ['README.txt', 'x.0001.tar']) await writeFile(at(name), 'x');
  const result = await bundle('create', '--to', 'vault-7', ...args);
  expect(result).toMatchObject({ code, stderr: expect.stringContaining(message) });
});
