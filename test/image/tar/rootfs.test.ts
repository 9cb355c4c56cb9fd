import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RootfsFacts } from '../../../src/image/content.ts';
import type { PackEntry } from '../../../src/image/tar/tar-pack.ts';
import type { Architecture } from '../../../src/model/architecture.ts';
import {
  amd64,
  debianOsRelease,
  file,
  folder,
  hardLink,
  packTar,
  program,
  rootEntries,
  symlink,
} from '../fixtures.ts';
import { inspect, refusal } from '../inspecting.ts';

async function factsOf(...entries: PackEntry[]): Promise<RootfsFacts> {
  const content = await inspect(await packTar([folder('etc'), folder('bin'), ...entries]));
  if (content.kind !== 'rootfs-tarball') throw new Error(`was taken for ${content.kind}`);
  return content.found;
}

describe('a root filesystem', () => {
  it.each([[['bin', 'etc']], [['usr/bin', 'etc']], [['bin', 'usr']], [['sbin', 'nix']]])(
    'has folders such as %s',
    async (folders) => {
      expect(await inspect(await packTar(folders.map(folder)))).toMatchObject({
        kind: 'rootfs-tarball',
        found: {},
      });
    },
  );

  it.each([[['etc']], [['bin']], [['usr']], [['etc', 'usr']], [['debian/bin', 'debian/etc']]])(
    'has more than %s',
    async (folders) => {
      expect(await refusal(await packTar(folders.map(folder)))).toContain('no root filesystem');
    },
  );

  it('says the same in whatever order its files come', async () => {
    const expected = await factsOf(...rootEntries);
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray(rootEntries, { minLength: rootEntries.length }),
        async (entries) => {
          expect(await factsOf(...entries)).toEqual(expected);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('os-release', () => {
  const title = { title: 'Debian GNU/Linux 12 (bookworm)' };

  it.each([
    ['in etc', [file('etc/os-release', debianOsRelease)]],
    ['in usr/lib', [file('usr/lib/os-release', debianOsRelease)]],
    [
      'behind a link',
      [symlink('etc/os-release', '../usr/lib/os-release'), file('usr/lib/os-release', debianOsRelease)],
    ],
    [
      'behind an absolute link',
      [symlink('etc/os-release', '/usr/lib/os-release'), file('usr/lib/os-release', debianOsRelease)],
    ],
    [
      'behind a link that comes later',
      [file('./usr/lib/os-release', debianOsRelease), symlink('./etc/os-release', '../usr/lib/os-release')],
    ],
    [
      'behind a hard link',
      [file('./usr/lib/os-release', debianOsRelease), hardLink('./etc/os-release', './usr/lib/os-release')],
    ],
    [
      'behind two links',
      [
        symlink('etc/os-release', '../usr/lib/os-release'),
        symlink('usr/lib/os-release', './os-release.d/os-release-server'),
        file('usr/lib/os-release.d/os-release-server', debianOsRelease),
      ],
    ],
    [
      'in a folder that is a link',
      [symlink('etc', 'private/etc'), file('private/etc/os-release', debianOsRelease)],
    ],
    [
      'in a folder below a link, which comes later and is absolute',
      [file('system/lib/os-release', debianOsRelease), symlink('usr', '/system')],
    ],
    [
      'through the store of NixOS',
      [
        symlink('etc/os-release', '/etc/static/os-release'),
        symlink('etc/static', '/nix/store/abc-etc/etc'),
        symlink('nix/store/abc-etc/etc/os-release', '../../def-os-release'),
        file('nix/store/def-os-release', debianOsRelease),
      ],
    ],
  ])('is found %s', async (_, entries) => {
    expect(await factsOf(...entries)).toMatchObject({ os: 'debian', ...title });
  });

  it('in etc is preferred', async () => {
    const other = file('usr/lib/os-release', 'ID=other\nVERSION_ID=1');
    expect(await factsOf(other, file('etc/os-release', debianOsRelease))).toMatchObject({ os: 'debian' });
  });

  it.each([
    [
      'leads in circles',
      [symlink('etc/os-release', 'os-release-2'), symlink('etc/os-release-2', 'os-release')],
    ],
    ['is in a folder that leads in circles', [symlink('etc', 'usr'), symlink('usr', 'etc')]],
    ['leads nowhere', [symlink('etc/os-release', '../../../../nowhere/os-release')]],
    ['is too large', [file('etc/os-release', `ID=debian\n${'#'.repeat(70_000)}`)]],
    ['is a folder', [folder('etc/os-release')]],
  ])('that %s says nothing', async (_, entries) => {
    expect(await factsOf(...entries)).toEqual({});
  });
});

describe('the architecture', () => {
  const machines: [Architecture, Parameters<typeof program>][] = [
    ['amd64', [62]],
    ['i386', [3, { bits: 32 }]],
    ['arm64', [183]],
    ['armhf', [40, { bits: 32, flags: 0x5000400 }]],
    ['armel', [40, { bits: 32, flags: 0x5000200 }]],
    ['ppc64el', [21, { flags: 2 }]],
    ['ppc64', [21, { order: 'big', flags: 1 }]],
    ['powerpc', [20, { bits: 32, order: 'big' }]],
    ['s390x', [22, { order: 'big' }]],
    ['riscv64', [243, { flags: 5 }]],
    ['riscv32', [243, { bits: 32 }]],
    ['mips', [8, { bits: 32, order: 'big' }]],
    ['mips64el', [8, { flags: 0x80000007 }]],
    ['loong64', [258, { flags: 0x43 }]],
  ];

  it.each(machines)('%s is read from a program', async (architecture, options) => {
    expect(await factsOf(file('bin/sh', program(...options)))).toEqual({ architecture });
  });

  it.each([
    ['of an unknown machine', program(9999)],
    ['of the wrong class', program(183, { bits: 32 })],
    ['of the wrong byte order', program(62, { order: 'big' })],
    ['that is an object file', program(62, { type: 1 })],
    ['that is a script', Buffer.from('#!/bin/sh\nexec true\n'.repeat(10))],
    ['that is cut off', program(62).subarray(0, 30)],
  ])('a program %s says nothing', async (_, bytes) => {
    expect(await factsOf(file('bin/sh', bytes))).toEqual({});
  });

  it('is that of the best-known program', async () => {
    const arm64 = program(183);
    const entries = [
      file('usr/bin/qemu-x86_64', program(amd64)),
      file('bin/ls', arm64),
      file('sbin/aaa', program(amd64)),
      file('usr/lib/x/sh', program(amd64)),
    ];
    expect(await factsOf(...entries)).toEqual({ architecture: 'arm64' });
    expect(await factsOf(...entries.toReversed())).toEqual({ architecture: 'arm64' });
  });

  it('is that of any program where none is well known', async () => {
    expect(await factsOf(file('usr/sbin/other', program(amd64)))).toEqual({ architecture: 'amd64' });
    expect(await factsOf(file('usr/lib/systemd/systemd', program(amd64)))).toEqual({ architecture: 'amd64' });
  });
});
