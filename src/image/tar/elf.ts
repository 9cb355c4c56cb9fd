import type { Architecture } from '../../model/architecture.ts';

/** Bytes of a program that {@link architectureOfProgram} looks at: the header of a 64-bit one. */
export const elfHeaderLength = 64;

/** `e_machine` of the ELF header, with class and byte order, to the architecture (System V ABI and its supplements). */
const machines: Record<string, Architecture> = {
  '3:32:little': 'i386',
  '62:64:little': 'amd64',
  '183:64:little': 'arm64',
  '20:32:big': 'powerpc',
  '21:64:big': 'ppc64',
  '21:64:little': 'ppc64el',
  '22:64:big': 's390x',
  '243:64:little': 'riscv64',
  '243:32:little': 'riscv32',
  '8:32:big': 'mips',
  '8:64:little': 'mips64el',
  '258:64:little': 'loong64',
};

const arm = 40;
/** `EF_ARM_ABI_FLOAT_HARD`: floating-point numbers are passed in registers. */
const armHardFloat = 0x400;

/**
 * The architecture that a program was built for.
 * @param head its first {@link elfHeaderLength} bytes
 * @returns undefined if it is not an ELF executable, or its architecture is unknown to Headwater
 */
export function architectureOfProgram(head: Uint8Array): Architecture | undefined {
  if (head.length < 52 || Buffer.from(head.subarray(0, 4)).toString('latin1') !== '\x7fELF') return undefined;
  const bits = { 1: 32, 2: 64 }[head[4] ?? 0];
  const order = { 1: 'little', 2: 'big' }[head[5] ?? 0];
  if (bits === undefined || order === undefined) return undefined;
  const little = order === 'little';
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const type = view.getUint16(16, little);
  // ET_EXEC and ET_DYN: all but the oldest programs can be loaded at any address, and are of the second kind.
  if (type !== 2 && type !== 3) return undefined;
  const machine = view.getUint16(18, little);
  if (machine === arm && bits === 32 && little) {
    return (view.getUint32(36, little) & armHardFloat) === 0 ? 'armel' : 'armhf';
  }
  return machines[`${machine}:${bits}:${order}`];
}
