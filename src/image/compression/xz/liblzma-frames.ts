// The responses of a process that unpacks with liblzma: frames of one byte for their kind, four for their length, and
// so many.

const headerLength = 5;

const kinds = { data: 0, failure: 1, end: 2 } as const;

/** Makes a frame. */
export function liblzmaFrame(kind: keyof typeof kinds, bytes: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(headerLength);
  header.writeUInt8(kinds[kind], 0);
  header.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([header, bytes]);
}

/** The frames of a stream, each as its kind and its bytes. */
export async function* readLiblzmaFrames(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ kind: number; bytes: Buffer }> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    while (rest.length >= headerLength) {
      const end = headerLength + rest.readUInt32BE(1);
      if (rest.length < end) break;
      yield { kind: rest.readUInt8(0), bytes: rest.subarray(headerLength, end) };
      rest = rest.subarray(end);
    }
  }
}

export const frameKinds = kinds;
