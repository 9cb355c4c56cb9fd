import { posix } from 'node:path';
import type { Architecture } from '../../model/architecture.ts';
import { defined } from '../../model/defined.ts';
import type { RootfsFacts } from '../content.ts';
import { architectureOfProgram, elfHeaderLength } from './elf.ts';
import { LinkedNames } from './linked-names.ts';
import { parseOsRelease } from './os-release.ts';
import type { EntrySink, TarEntry } from './tar.ts';

/** The directories of programs. */
const programFolders = new Set([
  'bin',
  'sbin',
  'usr/bin',
  'usr/sbin',
  'lib/systemd',
  'usr/lib/systemd',
  'usr/local/bin',
]);

/**
 * Programs of the system itself, the most reliable first. Programs of another architecture may exist (an emulator, a
 * helper for 32-bit programs), but not under these names.
 */
export const wellKnownPrograms = [
  'sh',
  'bash',
  'dash',
  'busybox',
  'init',
  'systemd',
  'env',
  'ls',
  'cat',
  'true',
];

/** os-release is smaller than 1 KiB. At most this many files of its kind are kept. */
const osReleaseLimit = 64 * 1024;
const osReleaseFiles = 32;
/** The places in os-release(5), the first one first. */
const osReleasePlaces = ['etc/os-release', 'usr/lib/os-release'];

/**
 * A root filesystem has one of these directories for programs, and one of the others; NixOS has only `sbin` and `nix`.
 */
const rootProgramFolders = ['bin', 'sbin', 'usr/bin'];
const rootSystemFolders = ['etc', 'usr', 'nix'];
export const rootFolders = new Set([...rootProgramFolders, ...rootSystemFolders]);

/** The number of names at the top of an archive in a message. */
export const namesInMessage = 10;

/** Whether a tree with these directories is a root filesystem. */
export function isRootFilesystem(has: (folder: string) => boolean): boolean {
  return rootProgramFolders.some(has) && rootSystemFolders.some(has);
}

/** Describes the top of a tree that is not a root filesystem. */
export function describeTop(names: string[]): string {
  if (names.length === 0) return 'it is empty';
  const shown = names.slice(0, namesInMessage).map((name) => JSON.stringify(name).slice(1, -1));
  return `it has ${shown.join(', ')}${names.length > namesInMessage ? ', …' : ''} at its top`;
}

/** Collects facts about a root filesystem while its tarball is read, in any order of its files. */
export class RootfsScan {
  readonly #seen = new Set<string>();
  readonly #files = new Map<string, Buffer[]>();
  readonly #links = new LinkedNames();
  #architecture: Architecture | undefined;
  #rank = Number.POSITIVE_INFINITY;

  /** Whether the tarball is a root filesystem. */
  get isRoot(): boolean {
    return isRootFilesystem((name) => this.#seen.has(name));
  }

  /** The facts that its files give. */
  get facts(): RootfsFacts {
    const osRelease = this.#osRelease();
    return {
      ...(osRelease === undefined ? {} : parseOsRelease(osRelease)),
      ...defined({ architecture: this.#architecture }),
    };
  }

  /** @returns the receiver of the entry's bytes, if they are needed */
  visit(entry: TarEntry): EntrySink | undefined {
    const [first = '', second] = entry.name.split('/', 2);
    for (const name of second === undefined ? [first] : [first, `${first}/${second}`]) {
      if (rootFolders.has(name)) this.#seen.add(name);
    }
    if (entry.linkName !== undefined && (entry.type === 'symlink' || entry.type === 'link')) {
      this.#links.add(entry.name, entry.type, entry.linkName);
      return undefined;
    }
    const base = posix.basename(entry.name);
    // NixOS puts a digest in front of the name.
    if (base.includes('os-release')) return this.#visitOsRelease(entry);
    if (entry.type !== 'file' || entry.sparse) return undefined;
    if (!programFolders.has(posix.dirname(entry.name))) return undefined;
    const place = wellKnownPrograms.indexOf(base);
    const rank = place === -1 ? wellKnownPrograms.length : place;
    return rank < this.#rank ? this.#programSink(rank) : undefined;
  }

  #visitOsRelease(entry: TarEntry): EntrySink | undefined {
    if (this.#files.size >= osReleaseFiles && !osReleasePlaces.includes(entry.name)) return undefined;
    if (entry.type !== 'file' || entry.size > osReleaseLimit) return undefined;
    const parts: Buffer[] = [];
    this.#files.set(entry.name, parts);
    return { write: (bytes) => void parts.push(Buffer.from(bytes)) };
  }

  #programSink(rank: number): EntrySink {
    const head = Buffer.alloc(elfHeaderLength);
    let length = 0;
    return {
      write: (bytes) => {
        if (length === elfHeaderLength) return;
        const part = bytes.subarray(0, elfHeaderLength - length);
        head.set(part, length);
        length += part.length;
      },
      end: () => {
        const architecture = architectureOfProgram(head.subarray(0, length));
        if (architecture === undefined) return;
        this.#architecture = architecture;
        this.#rank = rank;
      },
    };
  }

  /** The first os-release in the two places of os-release(5), through links. */
  #osRelease(): string | undefined {
    for (const place of osReleasePlaces) {
      for (const name of this.#links.names(place)) {
        const parts = this.#files.get(name);
        if (parts !== undefined) return Buffer.concat(parts).toString('utf8');
      }
    }
    return undefined;
  }
}
