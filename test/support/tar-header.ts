/**
 * The header of a file of a tar archive (POSIX ustar).
 * @param size bytes, as eleven octal digits; the bytes need not follow
 */
export function tarHeader(name: string, size: string): Buffer {
  const block = Buffer.alloc(512);
  block.write(name);
  block.write('0000644\0', 100);
  block.write(`${size}\0`, 124);
  block.write('        0', 148);
  block.write('ustar\0', 257);
  block.write('00', 263);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
