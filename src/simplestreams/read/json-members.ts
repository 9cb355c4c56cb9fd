// A products document can have tens of megabytes, and ten times as much as objects. Its products are parsed one at a
// time: this finds where each of them stands.

const [quote, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];

/** A member of a JSON object: its name, and its value as bytes from `start` to `end`. */
interface Member {
  name: string;
  start: number;
  end: number;
}

/**
 * The members of the JSON object (RFC 8259, section 4) that begins at `start`, in their order. Values are found, not
 * checked: `JSON.parse` of each does that.
 * @returns where the object ends
 * @throws SyntaxError where it is none
 */
export function* jsonMembers(bytes: Uint8Array, start = 0): Generator<Member, number> {
  let at = expect(bytes, skipSpace(bytes, start), openBrace);
  at = skipSpace(bytes, at);
  if (bytes[at] === closeBrace) return at + 1;
  for (;;) {
    const nameEnd = skipString(bytes, expect(bytes, at, quote));
    const name = String(parse(bytes, at, nameEnd));
    const valueStart = skipSpace(bytes, expect(bytes, skipSpace(bytes, nameEnd), colon));
    const end = skipValue(bytes, valueStart);
    yield { name, start: valueStart, end };
    at = skipSpace(bytes, end);
    if (bytes[at] === closeBrace) return at + 1;
    at = skipSpace(bytes, expect(bytes, at, comma));
  }
}

/** The value at a place. @throws SyntaxError */
export function parse(bytes: Uint8Array, start: number, end: number): unknown {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8'));
}

/** @throws SyntaxError when anything but space follows */
export function assertEnd(bytes: Uint8Array, at: number): void {
  const rest = skipSpace(bytes, at);
  if (rest !== bytes.length) throw wrong(rest);
}

function skipValue(bytes: Uint8Array, start: number): number {
  let depth = 0;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === quote) {
      at = skipString(bytes, at + 1) - 1;
      if (depth === 0) return at + 1;
    } else if (byte === openBrace || byte === openBracket) {
      depth += 1;
    } else if (byte === closeBrace || byte === closeBracket) {
      if (depth === 0) return at;
      depth -= 1;
      if (depth === 0) return at + 1;
    } else if (byte === comma && depth === 0) {
      return at;
    }
  }
  throw wrong(bytes.length);
}

/** @param at behind the opening quote @returns where the string ends, behind its closing quote */
function skipString(bytes: Uint8Array, at: number): number {
  for (let end = bytes.indexOf(quote, at); end !== -1; end = bytes.indexOf(quote, end + 1)) {
    let backslashes = 0;
    while (bytes[end - 1 - backslashes] === backslash) backslashes += 1;
    if (backslashes % 2 === 0) return end + 1;
  }
  throw wrong(bytes.length);
}

function skipSpace(bytes: Uint8Array, start: number): number {
  let at = start;
  while (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09) at += 1;
  return at;
}

function expect(bytes: Uint8Array, at: number, byte: number): number {
  if (bytes[at] === byte) return at + 1;
  throw wrong(at);
}

function wrong(at: number): SyntaxError {
  return new SyntaxError(`it is not a JSON object at byte ${at}`);
}
