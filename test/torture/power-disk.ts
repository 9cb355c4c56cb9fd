import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Recorded } from './power-log.ts';
import type { Random } from './random.ts';

/**
 * What survives of what was not synced.
 *
 * - `strict`: a name is durable when its directory was synced, bytes when their file was; of the rest any part survives.
 * - `journal`: names change in their order, as in the journal of ext4, and every sync makes all names durable that changed
 *   before; of the bytes that were not synced any part survives.
 */
export type Durability = 'strict' | 'journal';

/** A file, whatever it is called: what was written to it, in order. */
interface File {
  base: Buffer;
  changes: ({ at: number } & ({ offset: number; bytes: Buffer } | { size: number }))[];
  /** Everything before this place of the log is durable. */
  durable: number;
}

/** A change of names. */
interface NameChange {
  at: number;
  /** Whose sync makes it durable. */
  directory: string;
  apply: (names: Map<string, File | 'directory'>) => void;
}

/** Bytes that a disk writes as a whole. */
const page = 4096;

/** A disk as programs see it and as a power failure leaves it. */
export class PowerDisk {
  readonly #root: string;
  /** As it was when the log began. */
  readonly #base = new Map<string, File | 'directory'>();
  readonly #byInode = new Map<bigint, File>();

  private constructor(root: string) {
    this.#root = root;
  }

  /** Reads what is below a directory now, all of which counts as durable. */
  static async read(root: string): Promise<PowerDisk> {
    const disk = new PowerDisk(root);
    disk.#base.set(root, 'directory');
    for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isDirectory()) disk.#base.set(path, 'directory');
      if (!entry.isFile() || path.endsWith('-shm') || entry.name === 'reserve') continue;
      const { ino } = await stat(path, { bigint: true });
      const file = disk.#byInode.get(ino) ?? { base: await readFile(path), changes: [], durable: 0 };
      disk.#byInode.set(ino, file);
      disk.#base.set(path, file);
    }
    return disk;
  }

  /** Writes what is left after a power failure to another directory, which must not exist. */
  async rebuild(
    log: readonly Recorded[],
    target: string,
    options: { durability: Durability; random: Random },
  ): Promise<void> {
    const { durability, random } = options;
    const { changes, durable } = this.#replay(log);
    const names = new Map(this.#base);
    for (const change of surviving(changes, durable, durability, random)) change.apply(names);
    const share = random.pick([0, 0.5, 0.9, 1]);
    for (const [path, content] of [...names].sort(([one], [other]) => (one < other ? -1 : 1))) {
      const parent = dirname(path);
      // A directory that is lost takes with it what is in it.
      if (path !== this.#root && names.get(parent) !== 'directory') {
        names.delete(path);
        continue;
      }
      const place = join(target, path.slice(this.#root.length));
      if (content === 'directory') await mkdir(place, { mode: 0o700 });
      else await writeFile(place, contentOf(content, random, share), { mode: 0o600 });
    }
  }

  /** Follows the log, and notes which change is durable. */
  #replay(log: readonly Recorded[]): { changes: NameChange[]; durable: Durable } {
    const names = new Map(this.#base);
    const changes: NameChange[] = [];
    const durable = new Durable();
    const change = (at: number, directory: string, apply: NameChange['apply']) => {
      apply(names);
      changes.push({ at, directory, apply });
    };
    const fileOf = (inode: bigint): File => {
      const file = this.#byInode.get(inode) ?? { base: Buffer.alloc(0), changes: [], durable: 0 };
      this.#byInode.set(inode, file);
      return file;
    };
    for (const record of log) {
      const { at } = record;
      switch (record.kind) {
        case 'create': {
          const known = names.get(record.path);
          if (known === undefined || known !== this.#byInode.get(record.inode)) {
            // The number may be that of a file that is gone.
            const file: File = { base: Buffer.alloc(0), changes: [], durable: 0 };
            this.#byInode.set(record.inode, file);
            change(at, dirname(record.path), (map) => map.set(record.path, file));
          } else if (record.truncated) fileOf(record.inode).changes.push({ at, size: 0 });
          break;
        }
        case 'write':
          fileOf(record.inode).changes.push({ at, offset: record.offset, bytes: record.bytes });
          break;
        case 'truncate':
          fileOf(record.inode).changes.push({ at, size: record.size });
          break;
        case 'rename': {
          const moved = names.get(record.from);
          if (moved === undefined) break;
          change(at, dirname(record.to), (map) => {
            if (map.get(record.from) === moved) map.delete(record.from);
            map.set(record.to, moved);
          });
          break;
        }
        case 'link': {
          const known = [...names.values()].includes(this.#byInode.get(record.inode) ?? 'directory');
          if (!known) this.#byInode.delete(record.inode);
          const file = fileOf(record.inode);
          change(at, dirname(record.to), (map) => map.set(record.to, file));
          break;
        }
        case 'mkdir':
          change(at, dirname(record.path), (map) => map.set(record.path, 'directory'));
          break;
        case 'unlink':
        case 'rmdir': {
          const gone = names.get(record.path);
          change(at, dirname(record.path), (map) => {
            if (map.get(record.path) === gone) map.delete(record.path);
          });
          break;
        }
        case 'sync-file': {
          const file = fileOf(record.inode);
          file.durable = Math.max(file.durable, record.covers);
          durable.journal = Math.max(durable.journal, record.covers);
          break;
        }
        case 'sync-directory':
          durable.sync(record.path, record.covers);
          break;
        case 'sync-all':
          durable.all = Math.max(durable.all, record.covers);
          durable.journal = Math.max(durable.journal, record.covers);
          for (const file of this.#byInode.values()) file.durable = Math.max(file.durable, record.covers);
          break;
      }
    }
    return { changes, durable };
  }
}

/** Up to where in the log names are durable. */
class Durable {
  all = 0;
  journal = 0;
  readonly #directories = new Map<string, number>();

  sync(directory: string, covers: number): void {
    this.#directories.set(directory, Math.max(this.#directories.get(directory) ?? 0, covers));
    this.journal = Math.max(this.journal, covers);
  }

  has({ at, directory }: NameChange): boolean {
    return at < this.all || at < (this.#directories.get(directory) ?? 0);
  }
}

/** The changes of names that a power failure leaves, in their order. */
function surviving(
  changes: readonly NameChange[],
  durable: Durable,
  durability: Durability,
  random: Random,
): NameChange[] {
  if (durability === 'strict') {
    const share = random.pick([0, 0.5, 0.9, 1]);
    return changes.filter((change) => durable.has(change) || random.chance(share));
  }
  const certain = changes.filter(({ at }) => at < durable.journal).length;
  return changes.slice(0, random.whole(certain, changes.length));
}

/** What a file holds after a power failure: what is durable, and some pages of the rest. */
function contentOf({ base, changes, durable }: File, random: Random, share: number): Buffer {
  let content = Buffer.from(base);
  const grow = (size: number) => {
    if (size > content.length) content = Buffer.concat([content, Buffer.alloc(size - content.length)]);
  };
  for (const change of changes) {
    const certain = change.at < durable;
    if ('size' in change) {
      if (!certain && !random.chance(share)) continue;
      grow(change.size);
      content = content.subarray(0, change.size);
      continue;
    }
    for (let at = 0; at < change.bytes.length; ) {
      const place = change.offset + at;
      const piece = change.bytes.subarray(at, at + page - (place % page));
      if (certain || random.chance(share)) {
        grow(place + piece.length);
        piece.copy(content, place);
      }
      at += piece.length;
    }
  }
  return content;
}
