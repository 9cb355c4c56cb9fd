import fc from 'fast-check';
import { expect, test } from 'vitest';
import { boundaryOf, readParts } from '../../../src/registry/incoming/multipart.ts';

const boundary = 'b-o';

function encode(parts: { name: string; bytes: Uint8Array }[]): Buffer {
  const pieces = parts.flatMap(({ name, bytes }) => [
    Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="f"\r\n\r\n`),
    Buffer.from(bytes),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]);
}

/** The bytes in chunks that end where `cuts` say. */
async function* chunked(bytes: Buffer, cuts: number[]): AsyncGenerator<Uint8Array> {
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((one, other) => one - other);
  let start = 0;
  for (const end of [...ends, bytes.length]) {
    if (end > start) yield bytes.subarray(start, end);
    start = Math.max(start, end);
  }
}

async function decode(body: AsyncIterable<Uint8Array>) {
  const parts = [];
  for await (const { name, bytes } of readParts(body, boundary)) {
    const chunks = [];
    for await (const chunk of bytes) chunks.push(Buffer.from(chunk));
    parts.push({ name, bytes: Buffer.concat(chunks).toString('hex') });
  }
  return parts;
}

// Bytes that are often a boundary, or nearly one.
const tricky = fc
  .array(fc.constantFrom('\r\n', '--', 'b-o', '\r', '\n--b-', 'x', '\r\n--b', '-'), { maxLength: 30 })
  .map((pieces) => pieces.join(''))
  .filter((text) => !`\r\n${text}\r\n--b-o`.slice(0, -6).includes('\r\n--b-o'))
  .map((text) => Buffer.from(text));
const part = fc.record({ name: fc.constantFrom('metadata', 'rootfs'), bytes: tricky });

test('parts come out as they went in, wherever the body is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(part, { maxLength: 4 }),
      fc.array(fc.nat(2000), { maxLength: 40 }),
      async (parts, cuts) => {
        const expected = parts.map(({ name, bytes }) => ({ name, bytes: bytes.toString('hex') }));
        expect(await decode(chunked(encode(parts), cuts))).toEqual(expected);
      },
    ),
  );
});

test('a body that breaks off anywhere is an error, never a shorter part', async () => {
  const whole = encode([
    { name: 'metadata', bytes: Buffer.from('one') },
    { name: 'rootfs', bytes: Buffer.from('two') },
  ]);
  const closed = whole.length - 2;
  for (let length = 0; length < closed; length++) {
    await expect(decode(chunked(whole.subarray(0, length), [])), `${length} bytes`).rejects.toThrow(
      /malformed/,
    );
  }
  expect(await decode(chunked(whole.subarray(0, closed), []))).toHaveLength(2);
});

test('a part that nobody reads is passed over', async () => {
  const body = encode([
    { name: 'metadata', bytes: Buffer.alloc(1000) },
    { name: 'rootfs', bytes: Buffer.alloc(10) },
  ]);
  const names = [];
  for await (const { name } of readParts(chunked(body, [300, 600]), boundary)) names.push(name);
  expect(names).toEqual(['metadata', 'rootfs']);
});

test('the source is asked for no more than what was read', async () => {
  let given = 0;
  const body = encode([{ name: 'rootfs', bytes: Buffer.alloc(1_000_000) }]);
  async function* source() {
    for (let at = 0; at < body.length; at += 1000) {
      given += 1000;
      yield body.subarray(at, at + 1000);
    }
  }
  for await (const { bytes } of readParts(source(), boundary)) {
    for await (const _ of bytes) break;
    expect(given).toBeLessThan(5000);
    break;
  }
});

test('endless headers are refused', async () => {
  const body = Buffer.from(`--${boundary}\r\nX-A: ${'a'.repeat(20_000)}`);
  await expect(decode(chunked(body, [1000]))).rejects.toThrow(/headers of a part have more than/);
});

test.each([
  ['multipart/form-data; boundary=abc', 'abc'],
  ['multipart/form-data; charset=utf-8; boundary="a b"', 'a b'],
])('the boundary of %s', (contentType, expected) => {
  expect(boundaryOf(contentType)).toBe(expected);
});

test.each([
  'multipart/form-data',
  'text/plain; boundary=abc',
  `multipart/form-data; boundary=${'a'.repeat(71)}`,
])('%s is refused', (contentType) => {
  expect(() => boundaryOf(contentType)).toThrow(/multipart\/form-data with a boundary/);
});

test('a body that is left early is let go', async () => {
  let left = false;
  async function* source() {
    try {
      for (;;) yield encode([{ name: 'metadata', bytes: Buffer.alloc(10) }]).subarray(0, -6);
    } finally {
      left = true;
    }
  }
  for await (const _ of readParts(source(), boundary)) break;
  expect(left).toBe(true);
});
