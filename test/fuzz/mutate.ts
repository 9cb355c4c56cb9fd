/** Numbers from 0 up to 1 that a seed determines (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One of several, or an error where there are none. */
export function pick<Value>(values: readonly Value[], random: () => number): Value {
  const value = values[Math.floor(random() * values.length)];
  if (value === undefined) throw new Error('there is nothing to pick from');
  return value;
}

const interesting = [0, 1, 0x7f, 0x80, 0x81, 0xfe, 0xff, ...Buffer.from('/.012567LKSgx')];

/** In a tar header: name, mode, size (twice, it matters most), time, checksum, type, link, version, prefix. */
const fields = [0, 1, 100, 124, 124, 125, 135, 136, 148, 156, 157, 263, 345];

/** A file with one to eight changes. In most mutants, tar headers get a correct checksum afterwards. */
export function mutate(original: Uint8Array, random: () => number): Buffer {
  let bytes = Buffer.from(original);
  const below = (limit: number) => Math.floor(random() * limit);
  // Most that can go wrong is in the first bytes, or, of a squashfs, in the last.
  const place = () => {
    const near = below(3);
    if (near === 0) return below(Math.min(bytes.length, 512));
    return near === 1 ? Math.max(0, bytes.length - 1 - below(1024)) : below(bytes.length);
  };
  // Mostly few: of many changes the first one that is refused hides the others.
  for (let left = 1 + below(1 + below(8)); left > 0 && bytes.length > 0; left -= 1) {
    const header = headerOf(bytes, below);
    if (header !== undefined && below(3) === 0) {
      bytes[header + pick(fields, random)] = pick(interesting, random);
      continue;
    }
    const at = place();
    const kind = below(8);
    if (kind < 3) bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
    else if (kind < 5) bytes[at] = pick(interesting, random);
    else if (kind === 5) bytes.fill(below(2) * 0xff, at, Math.min(bytes.length, at + 1 + below(16)));
    else if (kind === 6) bytes = bytes.subarray(0, at);
    else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - below(600)))]);
  }
  if (random() < 0.75) sealHeaders(bytes);
  return bytes;
}

/** Where one of the first headers of a tar archive begins, in a file that is one. */
function headerOf(bytes: Buffer, below: (limit: number) => number): number | undefined {
  if (!isHeader(bytes, 0)) return undefined;
  const at = 512 * below(Math.min(16, bytes.length / 512));
  return isHeader(bytes, at) ? at : 0;
}

function isHeader(bytes: Buffer, at: number): boolean {
  return bytes.toString('latin1', at + 257, at + 262) === 'ustar';
}

/** Writes the correct checksum into every block that looks like a tar header. */
export function sealHeaders(bytes: Buffer): void {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (!isHeader(bytes, at)) continue;
    bytes.fill(0x20, at + 148, at + 156);
    const sum = bytes.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
  }
}
