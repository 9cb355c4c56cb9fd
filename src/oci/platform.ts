import { HeadwaterError } from '../errors.ts';
import { type Architecture, architectures, parseArchitecture } from '../model/architecture.ts';

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

/**
 * The architecture by its Debian name.
 * @param variant of the processor; for `arm`, the one that Debian's `armhf` needs if omitted
 * @throws HeadwaterError `invalid`
 */
export function architectureOf(name: string, variant?: string): Architecture {
  const found = architectures.find((debian) => {
    const platform = platformOf(debian);
    if (platform.architecture !== name) return false;
    return name !== 'arm' || platform.variant === (variant === 'v5' ? 'v6' : (variant ?? 'v7'));
  });
  if (found !== undefined) return found;
  throw new HeadwaterError('invalid', `the architecture ${JSON.stringify(name)} is not supported`);
}
