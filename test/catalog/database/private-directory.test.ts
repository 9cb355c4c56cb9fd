import { chmod, lstat, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makePrivate } from '../../../src/catalog/database/private-directory.ts';
import { program } from '../../cli/command-line.ts';
import { scratchDirectory } from '../../support/catalog.ts';
import { run } from '../../support/command.ts';
import { freePort } from '../../support/ports.ts';
import { makeSmallImage } from '../../support/small-images.ts';

const modeOf = async (path: string) => (await lstat(path)).mode & 0o777;

/** Whatever the group or others may do anything with, with its mode. */
async function open(directory: string): Promise<string[]> {
  const found: string[] = [];
  const names = await readdir(directory, { recursive: true });
  for (const name of ['.', ...names]) {
    const mode = await modeOf(join(directory, name));
    if ((mode & 0o077) !== 0) found.push(`${name} ${mode.toString(8)}`);
  }
  return found;
}

test.each(['000', '022', '077'])(
  'everything that a command and a server make is private with umask %s',
  async (umask) => {
    const data = join(await scratchDirectory(), 'data');
    const image = await makeSmallImage();
    const headwater = `umask ${umask}; exec ${process.execPath} ${program}`;
    await run('sh', ['-c', `${headwater} publish ${image.metadata} ${image.root} --data-dir ${data}`]);
    const port = await freePort();
    const serve = `${headwater} serve --data-dir ${data} --set listen.address=127.0.0.1 --set listen.port=${port}`;
    const wait = `for i in $(seq 100); do test -e ${data}/tls/server.crt && ls ${data}/servers/*.json && break; sleep 0.2; done`;
    await run('sh', [
      '-c',
      `(${serve}) >/dev/null 2>&1 & pid=$!; ${wait}; stat -c '%a %n' ${data}/* ; kill $pid; wait $pid`,
    ]);
    expect(await open(data)).toEqual([]);
    expect(await modeOf(data)).toBe(0o700);
    expect(await modeOf(join(data, 'catalog.db'))).toBe(0o600);
  },
);

test('a data directory of an older version is closed', async () => {
  const data = await scratchDirectory();
  await chmod(data, 0o755);
  for (const name of ['blobs', 'staging', 'tls']) await mkdir(join(data, name), { mode: 0o755 });
  for (const name of ['catalog.db', 'catalog.db-wal', 'store.json']) await writeFile(join(data, name), '');
  for (const name of await readdir(data)) await chmod(join(data, name), name.includes('.') ? 0o644 : 0o755);
  makePrivate(join(data, 'catalog.db'));
  expect(await open(data)).toEqual([]);
  expect(await modeOf(data)).toBe(0o700);
});

test('a directory with files of others stays open, and they with it; what is ours is closed', async () => {
  const data = await scratchDirectory();
  await chmod(data, 0o755);
  await mkdir(join(data, 'blobs'));
  await writeFile(join(data, 'passwd'), '');
  const elsewhere = await scratchDirectory();
  await chmod(elsewhere, 0o755);
  await symlink(elsewhere, join(data, 'uploads'));
  for (const [name, mode] of [
    ['blobs', 0o755],
    ['passwd', 0o644],
  ] as const)
    await chmod(join(data, name), mode);
  makePrivate(join(data, 'catalog.db'));
  const modes = ['.', 'blobs', 'catalog.db', 'passwd'].map((name) => modeOf(join(data, name)));
  expect(await Promise.all(modes)).toEqual([0o755, 0o700, 0o600, 0o644]);
  expect(await modeOf(elsewhere)).toBe(0o755);
});
