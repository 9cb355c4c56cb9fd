const prefix = 'mirror:';

/** Who owns what a mirror brings. */
export function ownerOf(mirror: string): string {
  return `${prefix}${mirror}`;
}

/** The mirror that an owner is, if it is one. */
export function mirrorOf(owner: string): string | undefined {
  return owner.startsWith(prefix) ? owner.slice(prefix.length) : undefined;
}
