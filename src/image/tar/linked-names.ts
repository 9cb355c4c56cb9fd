/** The number of links that are remembered: NixOS has tens of thousands. */
const maxLinksKept = 50_000;
/** The number of links that are followed from one name, as in Linux. */
const maxLinksFollowed = 40;

/** The links of an archive: resolves a name to files in the archive. Nothing outside of the archive is read. */
export class LinkedNames {
  readonly #symbolic = new Map<string, string>();
  readonly #hard = new Map<string, string>();

  /** @param name as the archive has it, without a slash in front */
  add(name: string, type: 'symlink' | 'link', target: string): void {
    if (this.#symbolic.size + this.#hard.size >= maxLinksKept) return;
    (type === 'symlink' ? this.#symbolic : this.#hard).set(name, target);
  }

  /** All names of the file with this name, through links to directories and to the file, resolved as a system would. */
  *names(name: string): Generator<string> {
    let followed = 0;
    let rest = partsOf(name);
    let at: string[] = [];
    for (;;) {
      const part = rest.shift();
      if (part === undefined) {
        const resolved = at.join('/');
        yield resolved;
        // The target of a hard link is relative to the top of the archive.
        const target = this.#hard.get(resolved);
        if (target === undefined || followed++ >= maxLinksFollowed) return;
        [at, rest] = [[], partsOf(target)];
        continue;
      }
      if (part === '..') {
        at.pop();
        continue;
      }
      const target = this.#symbolic.get([...at, part].join('/'));
      if (target === undefined) {
        at.push(part);
        continue;
      }
      if (followed++ >= maxLinksFollowed) return;
      // An absolute link begins at the root of the system that is in the archive.
      if (target.startsWith('/')) at = [];
      rest = [...partsOf(target), ...rest];
    }
  }
}

function partsOf(name: string): string[] {
  return name.split('/').filter((part) => part !== '' && part !== '.');
}
