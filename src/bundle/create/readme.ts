import { bundleName } from '../format/manifest.ts';
import type { Manifest } from '../format/manifest-schema.ts';

/**
 * The text beside a bundle: how to check it without Headwater.
 * @param program the name of a package of Headwater beside the volumes
 */
export function readmeOf(manifest: Manifest, program?: string): string {
  const { site, to, sequence, created, volumes, versions } = manifest;
  return `Bundle ${bundleName(manifest)}: images for ${to} from ${site}, number ${sequence}, written ${created}.
${versions.length} versions in ${volumes.count} volume${volumes.count === 1 ? '' : 's'}.

To check it without Headwater, with the public key of ${site} as a binary keyring:

  gpgv --keyring ./${site}.gpg bundle.json.asc bundle.json
  gpgv --keyring ./${site}.gpg SHA256SUMS.asc SHA256SUMS
  sha256sum -c SHA256SUMS
  tar -tf ${bundleName(manifest)}.0001.tar

To check it with Headwater:

  headwater bundle verify . --keyring ${site}.gpg
${program === undefined ? '' : `\n${program} is a package of Headwater. Check its SHA-256 with the commands above before you install it.\n`}`;
}
