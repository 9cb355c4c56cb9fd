import { HeadwaterError } from '../../errors.ts';

// The members of a volume have one form (POSIX.1-2017, pax, "ustar Interchange Format"): regular files with mode 0644, owner 0
// and the time of the bundle. A header is accepted only when writing it again gives the same 512 bytes, so links, devices and
// other forms of numbers are refused.

export const blockSize = 512;

/** What ends an archive: two blocks of zeros. */
export const endSize = 2 * blockSize;

/** The largest size in octal digits; larger ones are written in base 256, as GNU tar, bsdtar and busybox read them. */
const maxOctalSize = 0o77777777777;

/** A file in a volume. */
export interface Member {
  /** At most 100 bytes of letters, digits and `-._/`. */
  name: string;
  /** Bytes. */
  size: number;
}

/** The bytes that a member takes in an archive: its header, its content and the zeros that fill the last block. */
export function spaceOf({ size }: Pick<Member, 'size'>): number {
  return blockSize + size + paddingOf(size);
}

/** The zeros that follow a content, up to the next block. */
export function paddingOf(size: number): number {
  return (blockSize - (size % blockSize)) % blockSize;
}

/** @param mtime seconds since 1970 */
export function encodeHeader({ name, size }: Member, mtime: number): Buffer {
  if (!/^[A-Za-z0-9._/-]{1,100}$/.test(name)) throw new Error(`not the name of a member: ${name}`);
  const header = Buffer.alloc(blockSize);
  header.write(name, 0, 'latin1');
  header.write('0000644\0', 100, 'latin1');
  header.write('0000000\0', 108, 'latin1');
  header.write('0000000\0', 116, 'latin1');
  if (size <= maxOctalSize) header.write(`${octal(size, 11)}\0`, 124, 'latin1');
  else {
    header.writeUInt8(0x80, 124);
    header.writeBigUInt64BE(BigInt(size), 128);
  }
  header.write(`${octal(mtime, 11)}\0`, 136, 'latin1');
  header.write('        ', 148, 'latin1');
  header.write('0', 156, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\0 `, 148, 'latin1');
  return header;
}

/**
 * Reads a header that {@link encodeHeader} may have written.
 * @throws HeadwaterError `invalid`
 */
export function decodeHeader(header: Buffer): Member & { mtime: number } {
  const name = header.toString('latin1', 0, 100).replace(/\0.*$/s, '');
  const member = {
    name,
    size: sizeOf(header),
    mtime: Number.parseInt(header.toString('latin1', 136, 147), 8),
  };
  const isPlain =
    /^[A-Za-z0-9._/-]{1,100}$/.test(name) &&
    Number.isSafeInteger(member.size) &&
    Number.isSafeInteger(member.mtime) &&
    encodeHeader(member, member.mtime).equals(header);
  if (!isPlain) {
    throw new HeadwaterError(
      'invalid',
      'a member that no bundle has: expected a regular file with plain fields',
    );
  }
  return member;
}

function sizeOf(header: Buffer): number {
  if (header.readUInt8(124) === 0x80) return Number(header.readBigUInt64BE(128));
  return Number.parseInt(header.toString('latin1', 124, 135), 8);
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
