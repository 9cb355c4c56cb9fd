/** Who owns what a mirror brings. */
export function ownerOf(mirror: string): string {
  return `mirror:${mirror}`;
}
