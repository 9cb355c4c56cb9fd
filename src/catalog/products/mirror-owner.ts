const prefix = 'mirror:';

/** The owner of the products of a mirror. */
export function ownerOf(mirror: string): string {
  return `${prefix}${mirror}`;
}

/** The mirror of an owner, if the owner is a mirror. */
export function mirrorOf(owner: string): string | undefined {
  return owner.startsWith(prefix) ? owner.slice(prefix.length) : undefined;
}
