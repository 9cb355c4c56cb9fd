import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { HeadwaterError } from '../../../errors.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import type { Output } from '../../view/output.ts';
import { audited, keyFileOf, parseLifetime } from './open-keys.ts';

/** Options of the commands that create keys. */
export interface NewKeyOptions {
  name?: string;
  rsa?: boolean;
  expires?: string;
}

export const newKeyOptions = {
  name: ['--name <text>', 'name in the key (default: "Headwater" and the host name)'],
  rsa: ['--rsa', 'RSA with 4096 bits instead of Ed25519'],
  expires: ['--expires <duration>', 'lifetime, such as 730d (default: unlimited)'],
} as const;

/** The name in a key. */
export function nameOf({ name }: NewKeyOptions): string {
  return name ?? `Headwater ${hostname()}`;
}

export function addKeyCreate(key: Command, output: Output): void {
  const command = key
    .command('create')
    .summary('create the signing key')
    .description(
      'Create the OpenPGP key with which the server signs its documents, in the file signing.key (default: keys/signing.key in the data directory), with mode 0600: a primary key that certifies, and a subkey that signs. If the systemd credential signing-passphrase or HEADWATER_SIGNING_PASSPHRASE is set, that passphrase encrypts the key, and the server needs it. A certificate that revokes the key is written beside it. Restart a running server afterwards, and back up both files.',
    )
    .option(...newKeyOptions.name)
    .option(...newKeyOptions.rsa)
    .option(...newKeyOptions.expires)
    .action(async (options: NewKeyOptions) => {
      const lifetime = parseLifetime(options.expires);
      const { config, path } = await keyFileOf(command);
      const { passphrase } = config.signing;
      const [{ createKey }, { writeKeyFile, writeSecret }, { factsOf }] = await Promise.all([
        import('../../../keys/create-key.ts'),
        import('../../../keys/key-file.ts'),
        import('../../../keys/key-ring.ts'),
      ]);
      const request = { name: nameOf(options), rsa: options.rsa === true, lifetime, passphrase };
      const made = await createKey(request);
      const [facts] = await factsOf([made.key], config.signing.overlap);
      if (facts === undefined) throw new Error('a key without facts');
      const subject = facts.fingerprint;
      const revocation = join(dirname(path), `${subject}.revocation.asc`);
      await audited(config, 'key.create', async () => {
        await writeKeyFile(path, [made.key], { replace: false }).catch((error: unknown) => {
          if (!(error instanceof HeadwaterError) || error.kind !== 'conflict') throw error;
          throw new HeadwaterError('conflict', `${error.message}: use "headwater key rotate"`, {
            cause: error,
          });
        });
        await writeSecret(revocation, made.revocationCertificate, { replace: true });
        return { subject, details: { path, algorithm: facts.algorithm } };
      });
      if (wantsJson(command)) {
        output.json({ ...facts, path, revocation, protected: passphrase !== undefined });
        return;
      }
      output.line(subject);
      output.note(`The key is in ${path}, the certificate that revokes it in ${revocation}: back up both.`);
      if (passphrase === undefined) output.note('The key has no passphrase: its file mode protects it.');
      output.note('Give clients its public key: headwater key export > headwater.gpg');
    });
  addExamples(command, [
    'headwater key create',
    'headwater key create --expires 730d --name "Images of example.com"',
    'headwater key create --rsa --config /etc/headwater/headwater.yaml',
  ]);
}
