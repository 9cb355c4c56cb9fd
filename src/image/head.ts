/**
 * Reads the beginning of a stream.
 * @returns the first `length` bytes (or all, if there are fewer), and a stream of all bytes from the first
 */
export async function withHead(
  source: AsyncIterable<Uint8Array>,
  length: number,
): Promise<{ head: Buffer; all: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let size = 0;
  while (size < length) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    first.push(value);
    size += value.length;
  }
  return { head: Buffer.concat(first).subarray(0, length), all: rest(first, iterator) };
}

async function* rest(first: Uint8Array[], iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* first;
  yield* { [Symbol.asyncIterator]: () => iterator };
}
