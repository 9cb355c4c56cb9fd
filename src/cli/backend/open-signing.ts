import type { Config } from '../../config/schema.ts';
import { HeadwaterError } from '../../errors.ts';
import type { Signer } from '../../keys/signer.ts';

/**
 * Opens the signing key of the configuration.
 * @throws HeadwaterError `not-found` when there is none
 */
export async function openSigner(config: Config): Promise<Signer> {
  const { signingSettings } = await import('../../config/signing.ts');
  const settings = signingSettings(config);
  if (settings === undefined) {
    throw new HeadwaterError(
      'not-found',
      'no signing key: bundles and receipts must be signed. Create a key with "headwater key create", and give the other site its public key with "headwater key export"',
    );
  }
  const { SigningKeys } = await import('../../keys/signing-keys.ts');
  const { openSigner } = await import('../../keys/open-signer.ts');
  return await openSigner((await SigningKeys.open(settings)).source);
}

/** Makes detached signatures, armored. @throws as {@link openSigner} */
export async function openSigning(config: Config): Promise<(bytes: Uint8Array) => Promise<string>> {
  const signer = await openSigner(config);
  const { armoredSignature } = await import('../../keys/key-file.ts');
  return async (bytes) => await armoredSignature(await signer.detached(bytes));
}
