import { xzDictionaryLimit } from '../../limits.ts';

// The .xz file format, version 1.2.1: a stream header (section 2.1.1), then the header of the first block (section 3.1).

/** Bytes of a file that {@link readXzHeader} looks at. */
export const xzHeaderLength = 256;

/** The properties of xz data that its beginning gives. */
export interface XzHeader {
  /** It has filters, a check or a dictionary that only liblzma can read. */
  needsLiblzma: boolean;
  /** Bytes of the dictionary of the first block; the largest of `xz -9` if it is unknown. */
  dictionary: number;
}

const lzma2 = 0x21;
/** None, CRC-32 and CRC-64. */
const plainChecks = new Set([0, 1, 4]);

export function readXzHeader(head: Uint8Array): XzHeader {
  const check = (head[7] ?? 0) & 0x0f;
  const filters = filtersOfBlock(head);
  const last = filters?.at(-1);
  const dictionary = last?.id === lzma2 ? dictionarySize(last.properties[0] ?? 0) : xzDictionaryLimit;
  return {
    needsLiblzma:
      !plainChecks.has(check) ||
      (filters !== undefined && (filters.length > 1 || last?.id !== lzma2)) ||
      dictionary > xzDictionaryLimit,
    dictionary,
  };
}

interface Filter {
  id: number;
  properties: Uint8Array;
}

/** @returns undefined if there is no block, or if it is unknown */
function filtersOfBlock(head: Uint8Array): Filter[] | undefined {
  if (head.length < 16 || head[12] === 0) return undefined;
  const flags = head[13] ?? 0;
  let at = 14;
  const number = () => {
    let value = 0;
    for (let shift = 0; shift < 63; shift += 7) {
      const byte = head[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if ((byte & 0x80) === 0) break;
    }
    return value;
  };
  if ((flags & 0x40) !== 0) number();
  if ((flags & 0x80) !== 0) number();
  const filters: Filter[] = [];
  for (let left = (flags & 3) + 1; left > 0; left -= 1) {
    const id = number();
    const size = number();
    if (at + size > head.length) return undefined;
    filters.push({ id, properties: head.subarray(at, at + size) });
    at += size;
  }
  return filters;
}

/** The size that a byte encodes (section 5.3.1). */
function dictionarySize(bits: number): number {
  if (bits >= 40) return 2 ** 32 - 1;
  return (2 | (bits & 1)) * 2 ** (Math.floor(bits / 2) + 11);
}
