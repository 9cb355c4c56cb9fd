import { CommandSigner } from './command-signer.ts';
import { KeySigner, type Signer } from './signer.ts';

/** A private key. */
interface KeySource {
  type: 'key';
  /** Binary. */
  key: Uint8Array;
  passphrase?: string | undefined;
}

/** A program that signs. */
interface CommandSource {
  type: 'command';
  command: readonly string[];
  /** Its public keys, binary. */
  publicKeys: Uint8Array;
}

/** A key or a program that signs, in a form that can be sent to a thread. */
export type SignerSource = KeySource | CommandSource;

/** Opens a signer. @throws HeadwaterError `invalid` if the key or its passphrase is unusable */
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
