import { randomBytes } from 'node:crypto';
import { type PackEntry, packTar } from '../../src/image/tar/tar-pack.ts';

export const metadataYaml = `architecture: x86_64
creation_date: 1735689600
properties:
  os: Debian
  release: bookworm
`;

const mtime = new Date(1735689600_000);

export function file(name: string, bytes: Uint8Array | string = ''): PackEntry {
  return { name, type: 'file', mode: 0o644, mtime, bytes: Buffer.from(bytes) };
}

export function folder(name: string): PackEntry {
  return { name, type: 'directory', mode: 0o755, mtime };
}

export function symlink(name: string, linkName: string): PackEntry {
  return { name, type: 'symlink', mode: 0o777, mtime, linkName };
}

export function hardLink(name: string, linkName: string): PackEntry {
  return { name, type: 'link', mode: 0o644, mtime, linkName };
}

/** The beginning of an ELF program, and something behind it. */
export function program(
  machine: number,
  options: { bits?: 32 | 64; order?: 'little' | 'big'; flags?: number; type?: number } = {},
): Buffer {
  const { bits = 64, order = 'little', flags = 0, type = 3 } = options;
  const head = Buffer.alloc(64);
  head.set([0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, order === 'little' ? 1 : 2, 1]);
  const put16 = (value: number, at: number) =>
    order === 'little' ? head.writeUInt16LE(value, at) : head.writeUInt16BE(value, at);
  put16(type, 16);
  put16(machine, 18);
  if (order === 'little') head.writeUInt32LE(flags, bits === 64 ? 48 : 36);
  else head.writeUInt32BE(flags, bits === 64 ? 48 : 36);
  return Buffer.concat([head, randomBytes(1000)]);
}

export const amd64 = 62;

export const debianOsRelease = `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
`;

export const rootEntries: PackEntry[] = [
  folder('./'),
  folder('./etc'),
  symlink('./etc/os-release', '../usr/lib/os-release'),
  folder('./usr'),
  folder('./usr/bin'),
  symlink('./bin', 'usr/bin'),
  file('./usr/bin/dash', program(amd64)),
  folder('./usr/lib'),
  file('./usr/lib/os-release', debianOsRelease),
  file('./usr/lib/noise', randomBytes(40_000)),
];

export { packTar };
