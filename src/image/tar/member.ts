/** A member of an image's archive or filesystem. */
export interface Member {
  /** Its path without `./` or `/` before it; `..` stays. */
  name: string;
  type: 'file' | 'directory' | 'symlink' | 'link' | 'device' | 'other';
  /** The target of a link, as it is written. */
  linkName?: string;
  /** Whether the path began with a slash. */
  absolute?: boolean;
}
