import { HeadwaterError } from '../errors.ts';
import type { Content } from './content.ts';
import type { FormatInspector } from './format-inspector.ts';

// VCDIFF's magic number: "V", "C", "D" with their high bits set, then the version (RFC 3284, section 4.1).
const magic = [0xd6, 0xc3, 0xc4];

/** Whether a file is a delta, by its first bytes. */
export function isVcdiff(head: Uint8Array): boolean {
  return magic.every((byte, index) => head[index] === byte);
}

/** A delta contains nothing to examine: clients that apply it check the result. */
export class VcdiffInspector implements FormatInspector {
  #length = 0;

  write(chunk: Uint8Array): Promise<void> {
    this.#length += chunk.length;
    return Promise.resolve();
  }

  end(): Promise<Content> {
    if (this.#length < magic.length + 2) throw new HeadwaterError('invalid', 'vcdiff: the file is truncated');
    return Promise.resolve({ kind: 'vcdiff', compression: 'none' });
  }
}
