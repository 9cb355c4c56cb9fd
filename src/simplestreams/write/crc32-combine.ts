/** The reversed polynomial of CRC-32 (RFC 1952, section 8). */
const polynomial = 0xedb88320;

/** The product of two polynomials modulo the CRC's, bit 31 being the term of degree 0. */
function multiply(a: number, b: number): number {
  let product = 0;
  let factor = b;
  for (let bit = 0x80000000; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= factor;
    factor = (factor & 1) === 0 ? factor >>> 1 : (factor >>> 1) ^ polynomial;
  }
  return product >>> 0;
}

/** x to the power of 8 times `length`: what moves a CRC past that many zero bytes. */
function shift(length: number): number {
  let power = 0x80000000;
  let square = 0x00800000; // x to the power of 8
  for (let left = length; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = multiply(power, square);
    square = multiply(square, square);
  }
  return power;
}

/**
 * The CRC-32 of two pieces of data one after the other, from the CRC-32 of each.
 * @param length bytes of the second piece
 */
export function combineCrc32(first: number, second: number, length: number): number {
  return (multiply(first, shift(length)) ^ second) >>> 0;
}
