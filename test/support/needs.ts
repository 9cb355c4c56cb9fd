import { accessSync, appendFileSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { inject, TestRunner } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** The file in which skipped tests are noted, a line each (see global-setup.ts). */
    skippedTests: string;
  }
}

/** What tests need and a fresh machine lacks, with the Debian packages that have it. */
const packages = {
  buildah: 'buildah',
  bzip2: 'bzip2',
  'ceph-mon': 'ceph-mon',
  'ceph-osd': 'ceph-osd',
  ceph: 'ceph-common',
  radosgw: 'radosgw',
  'radosgw-admin': 'radosgw',
  curl: 'curl',
  gpg: 'gnupg',
  gpgv: 'gpgv',
  'incus-simplestreams': 'incus-extra',
  ip: 'iproute2',
  'mkfs.ext4': 'e2fsprogs',
  'mkfs.xfs': 'xfsprogs',
  mksquashfs: 'squashfs-tools',
  nginx: 'nginx-light',
  openssl: 'openssl',
  'qemu-img': 'qemu-utils',
  'qemu-io': 'qemu-utils',
  skopeo: 'skopeo',
  sqfs2tar: 'squashfs-tools-ng',
  'systemd-analyze': 'systemd',
  strace: 'strace',
  umoci: 'umoci',
  unsquashfs: 'squashfs-tools',
  wget: 'wget',
  xz: 'xz-utils',
  zstd: 'zstd',
  '/usr/share/keyrings/ubuntu-cloudimage-keyring.gpg': 'ubuntu-keyring',
  '/usr/share/lxc/templates/lxc-download': 'lxc',
  '/lib/systemd/systemd-pull': 'systemd-container',
} as const;

/** A program on the path, or a file by its absolute path. */
export type Need = keyof typeof packages;

const isStrict = process.env['REQUIRE_ALL_TESTS'] === '1';

/**
 * Whether something is missing, for `test.skipIf` and `describe.skipIf`.
 * @throws Error instead where REQUIRE_ALL_TESTS is 1, naming the package
 */
export function lacks(...needs: Need[]): boolean {
  const missing = needs.filter((need) => !isThere(need));
  for (const need of missing) note(need);
  return missing.length > 0;
}

/**
 * Skips the test that runs where something is missing.
 * @throws Error instead where REQUIRE_ALL_TESTS is 1, and outside of a test, naming the package
 */
export function demand(need: Need): void {
  if (isThere(need)) return;
  note(need);
  const test = TestRunner.getCurrentTest();
  if (test === undefined) throw new Error(sentence(need));
  test.context.skip(sentence(need));
}

function isThere(need: Need): boolean {
  if (need.startsWith('/')) return existsSync(need);
  const path = process.env['PATH'] ?? '';
  return [...path.split(delimiter), '/usr/sbin', '/sbin'].some((folder) => existsSync(join(folder, need)));
}

function note(need: Need): void {
  if (isStrict) throw new Error(sentence(need));
  appendFileSync(inject('skippedTests'), `${packages[need]}\n`);
}

function sentence(need: Need): string {
  return `${need} is missing: install the Debian package ${packages[need]}`;
}

const isRoot = process.getuid?.() === 0;

/**
 * Whether tests that mount a file system have to be skipped, for `test.skipIf`: only root may mount.
 * @throws Error instead where REQUIRE_ALL_TESTS is 1
 */
export function rootIsMissing(): boolean {
  if (isRoot) return false;
  if (isStrict) throw new Error('these tests mount a file system: run them as root');
  appendFileSync(inject('skippedTests'), 'root\n');
  return true;
}

/**
 * Whether the kernel's file systems cannot be told to report an error, as in most containers.
 * @throws Error instead where REQUIRE_ALL_TESTS is 1
 */
export function ext4FaultsAreMissing(): boolean {
  try {
    accessSync('/sys/fs', constants.W_OK);
    return lacks('mkfs.ext4');
  } catch {
    if (isStrict) throw new Error('these tests let ext4 report an error: mount /sys for writing');
    appendFileSync(inject('skippedTests'), 'root\n');
    return true;
  }
}
