/** A member of an image's archive or filesystem. */
export interface Member {
  /** Its path without `./` or `/` before it; `..` stays. */
  name: string;
  type: 'file' | 'directory' | 'symlink' | 'link' | 'device' | 'other';
  /** Where a link points to, as it is written. */
  linkName?: string;
  /** The path began with a slash. */
  absolute?: boolean;
}
