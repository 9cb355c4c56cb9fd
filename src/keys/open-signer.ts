import { CommandSigner } from './command-signer.ts';
import { KeySigner, type Signer } from './signer.ts';

/** What signs, in a form that can be sent to a thread. */
export type SignerSource =
  | { type: 'key' /** The private key, binary. */; key: Uint8Array; passphrase?: string | undefined }
  | { type: 'command'; command: readonly string[] /** Binary. */; publicKeys: Uint8Array };

/** @throws HeadwaterError `invalid` when the key cannot be used without another passphrase */
export async function openSigner(source: SignerSource): Promise<Signer> {
  const { readKeys, readPrivateKey } = await import('openpgp');
  if (source.type === 'key') {
    return await KeySigner.open(await readPrivateKey({ binaryKey: source.key }), source.passphrase);
  }
  const keys = await readKeys({ binaryKeys: source.publicKeys });
  return new CommandSigner(
    source.command,
    keys.map((key) => key.toPublic()),
  );
}
