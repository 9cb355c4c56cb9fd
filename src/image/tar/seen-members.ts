import type { Member } from './member.ts';

/** The number of members that are remembered. Real roots have some ten thousand, a few have more. */
const membersLimit = 300_000;

/**
 * Remembers the paths in an archive so far. It keeps a hash of each path, so that an archive with very many files needs
 * only a few MiB. Two paths may have the same hash, and paths beyond a limit are not remembered: then an archive may be
 * accepted that the daemons cannot unpack, but none is refused that they can.
 */
export class SeenMembers {
  readonly #folders = new Set<number>();
  readonly #others = new Set<number>();

  add({ name, type }: Member): void {
    if (this.#isFull) return;
    (type === 'directory' ? this.#folders : this.#others).add(numberOf(name));
  }

  isFolder(path: string): boolean {
    return this.#folders.has(numberOf(path));
  }

  /** Whether this path may have a member that is not a directory. */
  mayHave(path: string): boolean {
    return this.#isFull || this.#others.has(numberOf(path));
  }

  get #isFull(): boolean {
    return this.#folders.size + this.#others.size >= membersLimit;
  }
}

/** FNV-1a, 32 bits. */
function numberOf(path: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < path.length; index += 1) {
    hash = Math.imul(hash ^ path.charCodeAt(index), 0x01000193);
  }
  return hash;
}
