import type { Readable } from 'node:stream';

/**
 * The chunks of a stream that is not in object mode. Node.js does not type them.
 * @param options.destroyOnReturn false leaves the stream open when the loop over it is left
 */
export function bytesOf(stream: Readable, options?: { destroyOnReturn?: boolean }): AsyncIterable<Buffer> {
  return stream.iterator(options);
}
