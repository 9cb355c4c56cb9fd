import type { CheckSignature } from '../../bundle/verify/open-bundle.ts';
import type { SiteMirror } from '../../config/sites/site-mirror-schema.ts';
import { Verifier } from '../../keys/verifier.ts';

/** For how long bundles are accepted after their key expired, in milliseconds: a medium may be on its way for weeks. */
const grace = 30 * 86_400_000;

/**
 * Checks signatures of the site that writes the bundles. It returns the fingerprint of the key.
 * @param onExpired told of a key or a signature that has expired a short time ago
 * @throws HeadwaterError `invalid` when the keyring of the definition cannot be read
 */
export async function siteSignature(
  { keyring }: Pick<SiteMirror, 'keyring'>,
  onExpired: (problem: string) => void = () => undefined,
): Promise<CheckSignature> {
  if (keyring === undefined) return async () => undefined;
  const verifier = await Verifier.open(keyring);
  return async (bytes, signature, where) => {
    const at = new Date(Date.now() - grace);
    const { signedBy, expired } = await verifier.detached(bytes, signature, where, { at });
    if (expired !== undefined) onExpired(`${where}: ${expired}`);
    return signedBy[0]?.fingerprint;
  };
}
