import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scratchDirectory } from '../support/catalog.ts';
import { compilerIsMissing } from './kinds.ts';
import type { Durability } from './power-disk.ts';
import { PowerFailure } from './power-failure.ts';
import { Random } from './random.ts';

/** Writes with and without waiting for the disk, says so, and goes on until it is killed. */
const writer = `
const fs = require('node:fs');
const sync = (path) => { const file = fs.openSync(path); fs.fsyncSync(file); fs.closeSync(file); };
const write = (name, text) => fs.writeFileSync(name, text);
write('durable', 'whole'); sync('durable'); sync('.');
write('old', 'first'); sync('old'); sync('.'); write('old.new', 'second'); sync('old.new'); fs.renameSync('old.new', 'old');
write('nameless', 'bytes'); sync('nameless');
write('hollow', 'x'.repeat(100000)); sync('.');
fs.unlinkSync('gone'); sync('.');
fs.appendFileSync('durable', ' and more');
write('late', 'never synced');
fs.unlinkSync('undead');
console.log('ready');
setInterval(() => undefined, 1000);
`;

test.skipIf(compilerIsMissing()).each<Durability>(['strict', 'journal'])(
  'what was synced survives a power failure, what was not may not: %s',
  async (durability) => {
    const scratch = await scratchDirectory();
    const root = join(scratch, 'disk');
    await mkdir(root);
    const seen = new Map<string, Set<string>>();
    for (let seed = 0; seed < 12; seed++) {
      const directory = join(root, String(seed));
      await mkdir(directory);
      for (const name of ['gone', 'undead']) await writeFile(join(directory, name), name);
      const failure = await PowerFailure.watch(root, scratch);
      const child = spawn(process.execPath, ['-e', writer], {
        cwd: directory,
        env: { ...process.env, ...failure.env },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      await failure.cut();
      child.kill('SIGKILL');
      await once(child, 'exit');
      await failure.restore({ durability, random: new Random(seed) });
      for (const name of await readdir(directory)) {
        const text = await readFile(join(directory, name), 'utf8');
        seen.set(name, (seen.get(name) ?? new Set()).add(text));
      }
      expect((await stat(join(directory, 'durable'))).size).toBeGreaterThanOrEqual('whole'.length);
      expect(await readFile(join(directory, 'durable'), 'utf8')).toMatch(/^whole/);
      expect(await readdir(directory)).toContain('old');
      expect(await readdir(directory)).toContain('hollow');
      expect(await readdir(directory)).not.toContain('gone');
    }
    const texts = (name: string) => [...(seen.get(name) ?? [])].sort();
    expect(texts('durable')).toEqual(['whole', 'whole and more']);
    expect(texts('old')).toEqual(['second']);
    expect(texts('hollow').some((text) => text !== 'x'.repeat(100_000))).toBe(true);
    // An unlinked file whose directory was not synced is back, in some of the cases.
    expect(texts('undead')).toEqual(['undead']);
  },
);
