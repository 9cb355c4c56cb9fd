import type { Content } from './content.ts';

/** Finds out about bytes of one kind as they pass. Calls come one after the other; none after `end` or `abort`. */
export interface FormatInspector {
  /**
   * Resolves when it is ready for more. It keeps no reference to the bytes.
   * @throws HeadwaterError `invalid` as soon as they cannot be what they began as
   */
  write(bytes: Uint8Array): void | Promise<void>;
  /** @throws HeadwaterError `invalid` where the bytes are not whole */
  end(): Content | Promise<Content>;
  /** Frees everything. */
  abort?(): void;
}
