import { spawn } from 'node:child_process';
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { blobKey } from '../../../src/blobs/blob-key.ts';
import { sample } from '../bytes.ts';
import { compileStore } from '../compiled-store.ts';

/** Debian's user `nobody` and group `nogroup`. */
const nobody = 65_534;

/** Tries every operation on a blob whose directory may not be entered, and prints the errors. */
const program = `
const [path, root, digest, directory, bytes, user] = process.argv.slice(1);
const { chmod } = await import('node:fs/promises');
const { DirectoryStore } = await import(path);
if (process.getuid() === 0) {
  process.setgroups([]);
  process.setgid(Number(user));
  process.setuid(Number(user));
}
const store = new DirectoryStore(root);
await store.open();
const source = async function* () {
  yield Buffer.from(bytes, 'hex');
};
const write = () => store.write(source(), { digest });
await write();
await chmod(directory, 0);
const operations = {
  stat: () => store.stat(digest),
  read: () => store.read(digest),
  write,
  remove: () => store.remove(digest),
  setAside: () => store.setAside(digest, 'unknown'),
  list: async () => { for await (const _ of store.list()); },
};
const errors = {};
for (const [name, run] of Object.entries(operations)) {
  errors[name] = await run().then(() => 'no error', ({ kind, message }) => ({ kind, message }));
}
await chmod(directory, 0o700);
errors.after = (await store.stat(digest)).size;
console.log(JSON.stringify(errors));
`;

/**
 * Runs the program, which goes on as an unprivileged user: root may enter every directory. It
 * changes the user itself once its modules are loaded, since Node.js and the modules may lie where
 * that user cannot read them.
 */
async function runUnprivileged(args: string[]): Promise<unknown> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program, ...args, String(nobody)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: '/',
  });
  return JSON.parse(await text(child.stdout));
}

test('a directory of blobs that may not be entered is named, with what to do', async () => {
  const root = await mkdtemp(join(tmpdir(), 'headwater-blobs-'));
  onTestFinished(() => rm(root, { recursive: true }));
  if (process.getuid?.() === 0) await chown(root, nobody, nobody);
  await chmod(root, 0o755);
  const { bytes, digest } = sample(100);
  const directory = dirname(join(root, blobKey(digest)));
  const module = await compileStore('directory/directory-store.ts');
  const denied = (participle: string) => ({
    kind: 'unavailable',
    message: `${directory}: cannot be ${participle}: permission denied (EACCES): give the user that runs Headwater access to it`,
  });
  expect(await runUnprivileged([module, root, digest, directory, bytes.toString('hex')])).toEqual({
    stat: denied('read'),
    read: denied('read'),
    write: denied('read'),
    remove: denied('removed'),
    setAside: denied('read'),
    list: denied('read'),
    after: bytes.length,
  });
});
