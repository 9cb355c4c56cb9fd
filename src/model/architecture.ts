import { HeadwaterError } from '../errors.ts';
import { keysOf } from './keys-of.ts';

/** An architecture by its Debian name, which is what simplestreams documents and image paths use. */
export type Architecture = keyof typeof kernelNames;

/** Debian name to the kernel's name, which is what metadata.yaml and the LXD API use (lxd `shared/osarch`). */
const kernelNames = {
  amd64: 'x86_64',
  i386: 'i686',
  arm64: 'aarch64',
  armhf: 'armv7l',
  armel: 'armv6l',
  ppc64el: 'ppc64le',
  ppc64: 'ppc64',
  powerpc: 'ppc',
  s390x: 's390x',
  riscv64: 'riscv64',
  riscv32: 'riscv32',
  mips: 'mips',
  mips64el: 'mips64',
  loong64: 'loongarch64',
} as const;

/** All architectures. */
export const architectures: readonly Architecture[] = keysOf(kernelNames);

/** Other names in use for the same architectures. */
const otherNames: Record<string, Architecture> = {
  x86: 'i386',
  i486: 'i386',
  i586: 'i386',
  arm: 'armhf',
  armv7: 'armhf',
  armv8l: 'armhf',
  armhfp: 'armhf',
  armv6: 'armel',
  ppc64le: 'ppc64el',
  powerpc64: 'ppc64',
  mips64: 'mips64el',
};

const byName = new Map<string, Architecture>(Object.entries(otherNames));
for (const debian of architectures) {
  byName.set(debian, debian);
  byName.set(kernelNames[debian], debian);
}

/**
 * The architecture that any of its names means (`x86_64`, `amd64`, `aarch64`, …).
 * @throws HeadwaterError `invalid`, listing the names that are known
 */
export function parseArchitecture(name: string): Architecture {
  const architecture = byName.get(name.toLowerCase());
  if (architecture === undefined) {
    throw new HeadwaterError(
      'invalid',
      `architecture ${JSON.stringify(name)} is not known: use one of ${Object.keys(kernelNames).join(', ')}`,
    );
  }
  return architecture;
}

/** Names that LXD and Incus read in metadata.yaml beside those of Debian and the kernel (lxd `shared/osarch`). */
const daemonNames: Record<string, Architecture> = {
  i386: 'i386',
  i586: 'i386',
  '386': 'i386',
  x86: 'i386',
  generic_32: 'i386',
  generic_64: 'amd64',
  arm64_generic: 'arm64',
  armv8l: 'armhf',
  armv7: 'armhf',
  armhfp: 'armhf',
  armv7a_hardfp: 'armhf',
  armv7a_vfpv3_hardfp: 'armhf',
  arm: 'armel',
  powerpc64: 'ppc64',
  mipsel: 'mips',
  mipsle: 'mips',
  mips64le: 'mips64el',
};

/**
 * The architecture in metadata.yaml, by the names that the daemons know. They tell capitals from small letters.
 * @throws HeadwaterError `invalid` where they do not know it
 */
export function parseImageArchitecture(name: string): Architecture {
  const known = architectures.find((debian) => name === debian || name === kernelNames[debian]);
  const architecture = known ?? (Object.hasOwn(daemonNames, name) ? daemonNames[name] : undefined);
  if (architecture !== undefined) return architecture;
  throw new HeadwaterError(
    'invalid',
    `architecture ${JSON.stringify(name)} is not known to LXD and Incus: use one of ${Object.values(kernelNames).join(', ')}`,
  );
}

/** The kernel's name of an architecture: `x86_64` for `amd64`. */
export function kernelName(architecture: Architecture): string {
  return kernelNames[architecture];
}

/** Architectures whose kernels also run the programs of others (lxd `shared/osarch`, personalities). */
const personalities: Partial<Record<Architecture, readonly Architecture[]>> = {
  amd64: ['i386'],
  arm64: ['armhf', 'armel'],
  // The two differ in how they pass numbers, not in the machines that they run on.
  armhf: ['armel'],
  armel: ['armhf'],
  ppc64: ['powerpc'],
  riscv64: ['riscv32'],
  mips64el: ['mips'],
};

/** Whether programs of one architecture run on machines of another. */
export function runsOn(programs: Architecture, machine: Architecture): boolean {
  return programs === machine || (personalities[machine]?.includes(programs) ?? false);
}
