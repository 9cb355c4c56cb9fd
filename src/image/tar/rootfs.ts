import { posix } from 'node:path';
import type { Architecture } from '../../model/architecture.ts';
import { defined } from '../../model/defined.ts';
import type { RootfsFacts } from '../content.ts';
import { architectureOfProgram, elfHeaderLength } from './elf.ts';
import { LinkedNames } from './linked-names.ts';
import { parseOsRelease } from './os-release.ts';
import type { EntrySink, TarEntry } from './tar.ts';

/** Where programs are. */
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
 * Programs that are the system's own, the surest first. One of another architecture may lie about (an emulator, a
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

/** os-release is under 1 KiB; and no more files of its kind are kept than these. */
const osReleaseLimit = 64 * 1024;
const osReleaseFiles = 32;
/** Where os-release(5) has it, the first place first. */
const osReleasePlaces = ['etc/os-release', 'usr/lib/os-release'];

/** Folders of which a root filesystem has one for programs and one of the others; NixOS has only `sbin` and `nix`. */
const rootProgramFolders = ['bin', 'sbin', 'usr/bin'];
const rootSystemFolders = ['etc', 'usr', 'nix'];
export const rootFolders = new Set([...rootProgramFolders, ...rootSystemFolders]);

/** Names at the top of an archive that a message shows. */
export const namesInMessage = 10;

/** Whether what has these folders is a root filesystem. */
export function isRootFilesystem(has: (folder: string) => boolean): boolean {
  return rootProgramFolders.some(has) && rootSystemFolders.some(has);
}

/** What is at the top of what is no root filesystem, in words. */
export function describeTop(names: string[]): string {
  if (names.length === 0) return 'it is empty';
  const shown = names.slice(0, namesInMessage).map((name) => JSON.stringify(name).slice(1, -1));
  return `it has ${shown.join(', ')}${names.length > namesInMessage ? ', …' : ''} at its top`;
}

/** Finds out about a root filesystem while its tarball is walked, in whatever order its files come. */
export class RootfsScan {
  readonly #seen = new Set<string>();
  readonly #files = new Map<string, Buffer[]>();
  readonly #links = new LinkedNames();
  #architecture: Architecture | undefined;
  #rank = Number.POSITIVE_INFINITY;

  /** Whether what was walked is a root filesystem. */
  get isRoot(): boolean {
    return isRootFilesystem((name) => this.#seen.has(name));
  }

  /** What it says of itself. */
  get facts(): RootfsFacts {
    const osRelease = this.#osRelease();
    return {
      ...(osRelease === undefined ? {} : parseOsRelease(osRelease)),
      ...defined({ architecture: this.#architecture }),
    };
  }

  /** @returns what takes the entry's bytes, where they are of interest */
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
    // NixOS puts a digest in front of it.
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

  /** The first os-release of the two places that os-release(5) names, links followed. */
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
