/** Links that are remembered: NixOS has tens of thousands. */
const maxLinksKept = 50_000;
/** Links followed from one name, as Linux has it. */
const maxLinksFollowed = 40;

/** The links of an archive, by which a name in it leads to a file in it. Nothing outside of the archive is looked at. */
export class LinkedNames {
  readonly #symbolic = new Map<string, string>();
  readonly #hard = new Map<string, string>();

  /** @param name as the archive has it, without a slash in front */
  add(name: string, type: 'symlink' | 'link', target: string): void {
    if (this.#symbolic.size + this.#hard.size >= maxLinksKept) return;
    (type === 'symlink' ? this.#symbolic : this.#hard).set(name, target);
  }

  /** Every name of a file that has the name given, through links of folders and of itself: as a system would look it up. */
  *names(name: string): Generator<string> {
    let followed = 0;
    let rest = partsOf(name);
    let at: string[] = [];
    for (;;) {
      const part = rest.shift();
      if (part === undefined) {
        const resolved = at.join('/');
        yield resolved;
        // A hard link is named from the top of the archive.
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
