import { createHash } from 'node:crypto';
import { access, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { run } from '../support/command.ts';
import { type Durability, PowerDisk } from './power-disk.ts';
import { readPowerLog } from './power-log.ts';
import type { Random } from './random.ts';

const source = fileURLToPath(new URL('./power-failure.c', import.meta.url));

/** The layer that records what programs write, compiled on this machine; made once for each of its versions. */
async function layer(): Promise<string> {
  const digest = createHash('sha256')
    .update(await readFile(source))
    .digest('hex');
  const directory = join(tmpdir(), 'headwater-power-failure');
  const library = join(directory, `${digest.slice(0, 16)}.so`);
  const isMade = await access(library).then(
    () => true,
    () => false,
  );
  if (isMade) return library;
  await mkdir(directory, { recursive: true });
  const made = `${library}.${process.pid}`;
  await run('cc', ['-O2', '-shared', '-fPIC', '-o', made, source, '-ldl']);
  await rename(made, library);
  return library;
}

/** A directory whose disk loses its power: what was not synced by then is lost, or not. */
export class PowerFailure {
  readonly #root: string;
  readonly #log: string;
  readonly #control: string;
  readonly #library: string;
  #disk: PowerDisk;

  private constructor(root: string, scratch: string, library: string, disk: PowerDisk) {
    this.#root = root;
    this.#log = join(scratch, 'power.log');
    this.#control = join(scratch, 'power.control');
    this.#library = library;
    this.#disk = disk;
  }

  /**
   * Watches over a directory, in which nothing may go on yet.
   * @param root its path, without symbolic links
   * @param scratch where the log is written
   */
  static async watch(root: string, scratch: string): Promise<PowerFailure> {
    const failure = new PowerFailure(root, scratch, await layer(), await PowerDisk.read(root));
    await failure.#clear();
    return failure;
  }

  /** For the processes that work on the directory. */
  get env(): Record<string, string> {
    return {
      LD_PRELOAD: this.#library,
      POWER_ROOT: this.#root,
      POWER_LOG: this.#log,
      POWER_CONTROL: this.#control,
      // Its calls cannot be seen.
      UV_USE_IO_URING: '0',
    };
  }

  /** Stops every call that would change the directory; those under way come to their end first. */
  async cut(): Promise<void> {
    const control = await open(this.#control, 'r+');
    try {
      await control.write(Buffer.from([1]), 0, 1, 0);
      // A process may have been killed within a call.
      for (let tries = 0; tries < 100; tries++) {
        await sleep(10);
        const { buffer } = await control.read(Buffer.alloc(4), 0, 4, 8);
        if (buffer.readInt32LE(0) === 0) return;
      }
    } finally {
      await control.close();
    }
  }

  /** Puts what the disk has in the directory's place, once every process has ended, and watches over it from then on. */
  async restore(options: { durability: Durability; random: Random }): Promise<void> {
    const rebuilt = `${this.#root}.rebuilt`;
    await this.#disk.rebuild(await readPowerLog(this.#log), rebuilt, options);
    await rm(this.#root, { recursive: true });
    await rename(rebuilt, this.#root);
    this.#disk = await PowerDisk.read(this.#root);
    await this.#clear();
  }

  async #clear(): Promise<void> {
    await writeFile(this.#log, '');
    await writeFile(this.#control, Buffer.alloc(4096));
  }
}
