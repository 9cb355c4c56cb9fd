import { type Architecture, parseArchitecture } from '../model/architecture.ts';

/** A platform of an image index: names of the language Go (OCI Image Specification 1.1, "Image Index"). */
export interface Platform {
  architecture: string;
  os: 'linux';
  variant?: string;
}

const goNames: Partial<Record<Architecture, { architecture: string; variant?: string }>> = {
  i386: { architecture: '386' },
  arm64: { architecture: 'arm64', variant: 'v8' },
  armhf: { architecture: 'arm', variant: 'v7' },
  armel: { architecture: 'arm', variant: 'v6' },
  ppc64el: { architecture: 'ppc64le' },
  powerpc: { architecture: 'ppc' },
  mips64el: { architecture: 'mips64le' },
};

/** @param architecture by its Debian name */
export function platformOf(architecture: string): Platform {
  const { architecture: name, ...variant } = goNames[parseArchitecture(architecture)] ?? { architecture };
  return { architecture: name, os: 'linux', ...variant };
}
