import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { codeOf, HeadwaterError, messageOf } from '../errors.ts';
import { age, boolean, leaf, path } from './fields.ts';

/** The systemd credential with the passphrase of the signing key. */
const credential = 'signing-passphrase';

export const signing = z
  .strictObject({
    /** The file that `headwater key create` makes. */
    key: path('the file with the signing key').exactOptional(),
    /** A program that signs, for a key on a card or in an HSM. */
    command: leaf(
      'map',
      z
        .array(z.string().min(1), {
          error: 'expected a program and its arguments, such as [gpg, --batch, "{mode}"]',
        })
        .min(1, { error: 'expected a program and its arguments, such as [gpg, --batch, "{mode}"]' }),
    ).exactOptional(),
    /** The public keys of that program. */
    publicKey: path('a file with the public key of signing.command').exactOptional(),
    /** Whether a server starts without signing if the key or its passphrase is missing. */
    optional: boolean.prefault(false),
    /** Milliseconds for which a key and its successor are published before the successor signs. */
    overlap: age.prefault('90d'),
  })
  .superRefine(({ key, command, publicKey }, context) => {
    const add = (name: string, message: string) =>
      context.addIssue({ code: 'custom', path: [name], message });
    if (key !== undefined && command !== undefined) add('command', 'expected only one of key and command');
    if (command !== undefined && publicKey === undefined) {
      add('publicKey', 'expected a file with the public key of signing.command');
    }
    if (command === undefined && publicKey !== undefined)
      add('publicKey', 'expected only with signing.command');
  });

/**
 * The passphrase of the signing key: from the systemd credential, otherwise from the environment.
 * @throws HeadwaterError `invalid` if the credential exists and cannot be read
 */
export function readPassphrase(environment: NodeJS.ProcessEnv): string | undefined {
  const { CREDENTIALS_DIRECTORY: directory, HEADWATER_SIGNING_PASSPHRASE: variable } = environment;
  if (directory !== undefined && directory !== '') {
    try {
      // Editors and `echo` end a file with a line break.
      return readFileSync(join(directory, credential), 'utf8').replace(/\r?\n$/, '');
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') {
        throw new HeadwaterError(
          'invalid',
          `the credential ${credential} cannot be read: ${messageOf(error)}`,
          { cause: error },
        );
      }
    }
  }
  return variable === '' ? undefined : variable;
}

/** The settings that signing depends on. */
interface WithSigning {
  dataDir: string;
  signing: z.output<typeof signing> & { passphrase: string | undefined };
}

/** The file with the signing key, whether or not it exists. */
export function signingKeyFile({ signing: { key }, dataDir }: WithSigning): string {
  return key ?? join(dataDir, 'keys', 'signing.key');
}

/** The settings of signing; undefined if none are set and the default key file does not exist. */
export function signingSettings(config: WithSigning) {
  const { command, publicKey, overlap, key: configured } = config.signing;
  const key = command === undefined ? signingKeyFile(config) : undefined;
  if (key !== undefined && configured === undefined && !existsSync(key)) return undefined;
  return { key, command, publicKey, overlap, passphrase: config.signing.passphrase };
}
