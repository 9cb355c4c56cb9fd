import type { Content } from './content.ts';

/** Examines bytes of one kind as they pass. Calls must not overlap, and none may follow `end` or `abort`. */
export interface FormatInspector {
  /**
   * Resolves when it is ready for more. It keeps no reference to the bytes.
   * @throws HeadwaterError `invalid` as soon as they do not match the kind of their beginning
   */
  write(bytes: Uint8Array): void | Promise<void>;
  /** @throws HeadwaterError `invalid` if the bytes are incomplete */
  end(): Content | Promise<Content>;
  /** Frees everything. */
  abort?(): void;
}
