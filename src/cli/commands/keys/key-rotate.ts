import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Config } from '../../../config/schema.ts';
import { HeadwaterError } from '../../../errors.ts';
import type { PrivateKey } from '../../../keys/key-file.ts';
import { type KeyRole, rolesOf } from '../../../keys/key-ring.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import { humanTime } from '../../view/human.ts';
import type { Output } from '../../view/output.ts';
import { type NewKeyOptions, nameOf, newKeyOptions } from './key-create.ts';
import { audited, keyFileOf, parseLifetime } from './open-keys.ts';

export function addKeyRotate(key: Command, output: Output): void {
  const command = key
    .command('rotate')
    .summary('create the successor of the signing key')
    .description(
      'Create the successor of the signing key. From then on both public keys are published, and the old key signs until signing.overlap has passed or "key rotate --switch" is called: give clients the new public keys before that. With --switch, the successor signs at once; if there is none, it is created.',
    )
    .option('--switch', 'let the successor sign now')
    .option(...newKeyOptions.name)
    .option(...newKeyOptions.rsa)
    .option(...newKeyOptions.expires)
    .action(async (options: NewKeyOptions & { switch?: boolean }) => {
      const lifetime = parseLifetime(options.expires);
      const { config, path } = await keyFileOf(command);
      const { overlap, passphrase } = config.signing;
      const { readKeyFile, writeKeyFile } = await import('../../../keys/key-file.ts');
      const keys = await readKeyFile(path);
      const [next] = withRole(keys, 'next', overlap);
      if (next !== undefined && options.switch !== true) {
        const from = humanTime(new Date(next.getCreationTime().getTime() + overlap));
        throw new HeadwaterError(
          'conflict',
          `the key ${fingerprint(next)} is the successor already, and signs from ${from} UTC: use --switch to let it sign now`,
        );
      }
      const successor = next ?? (await createSuccessor(keys, { ...options, lifetime, passphrase }));
      const others = keys.filter((each) => each !== next);
      const all = options.switch === true ? [successor, ...others] : [...others, successor];
      const action = options.switch === true ? 'key.switch' : 'key.rotate';
      await audited(config, action, async () => {
        await writeKeyFile(path, all, { replace: true });
        return { subject: fingerprint(successor) };
      });
      await report(command, output, { keys: all, config });
    });
  addExamples(command, ['headwater key rotate --expires 730d', 'headwater key rotate --switch']);
}

export function addKeyRetire(key: Command, output: Output): void {
  const command = key
    .command('retire')
    .summary('stop publishing a key')
    .description(
      'Remove a key from the file and from the published keys: a previous key, or a successor that is not wanted. Without a fingerprint, all previous keys are removed. The key that signs cannot be retired: rotate it first.',
    )
    .argument('[fingerprint]', 'the fingerprint of the key, or its last 16 digits')
    .action(async (named: string | undefined) => {
      const { config, path } = await keyFileOf(command);
      const { overlap } = config.signing;
      const { readKeyFile, writeKeyFile } = await import('../../../keys/key-file.ts');
      const { isNamed } = await import('../../../keys/key-ring.ts');
      const keys = await readKeyFile(path);
      const retired =
        named === undefined
          ? withRole(keys, 'previous', overlap)
          : keys.filter((each) => isNamed(each, named));
      if (retired.length === 0) {
        const what = named === undefined ? 'there is no previous key' : `there is no key ${named}`;
        throw new HeadwaterError('not-found', `${what}: see "headwater key list"`);
      }
      if (withRole(retired, 'signing', overlap, keys).length > 0) {
        throw new HeadwaterError(
          'conflict',
          'the key signs the documents: use "headwater key rotate --switch" before',
        );
      }
      const left = keys.filter((each) => !retired.includes(each));
      await audited(config, 'key.retire', async () => {
        await writeKeyFile(path, left, { replace: true });
        return { subject: retired.map(fingerprint).join(' ') };
      });
      await report(command, output, { keys: left, config });
    });
  addExamples(command, ['headwater key retire', 'headwater key retire 0123456789ABCDEF']);
}

/** A key with a later time of creation than all others: these times give the order of keys. */
async function createSuccessor(
  keys: readonly PrivateKey[],
  options: NewKeyOptions & { lifetime: number | undefined; passphrase: string | undefined },
): Promise<PrivateKey> {
  const [{ createKey }, { unlock }] = await Promise.all([
    import('../../../keys/create-key.ts'),
    import('../../../keys/signer.ts'),
  ]);
  const { lifetime, passphrase } = options;
  // All keys in a file have the same passphrase.
  for (const key of keys) await unlock(key, passphrase);
  const newest = Math.max(...keys.map((key) => key.getCreationTime().getTime()));
  // The time of creation has a precision of one second.
  if (newest + 1000 > Date.now()) await sleep(newest + 1000 - Date.now());
  return (await createKey({ name: nameOf(options), rsa: options.rsa === true, lifetime, passphrase })).key;
}

/** The keys in `some` that have the role among `all` keys. */
function withRole(
  some: readonly PrivateKey[],
  role: KeyRole,
  overlap: number,
  all: readonly PrivateKey[] = some,
): PrivateKey[] {
  const keys = rolesOf(all, overlap).filter((each) => each.role === role);
  return keys.map(({ key }) => key).filter((key) => some.includes(key));
}

function fingerprint(key: PrivateKey): string {
  return key.getFingerprint().toUpperCase();
}

async function report(
  command: Command,
  output: Output,
  { keys, config }: { keys: readonly PrivateKey[]; config: Config },
): Promise<void> {
  const { factsOf } = await import('../../../keys/key-ring.ts');
  const facts = await factsOf(keys, config.signing.overlap);
  if (wantsJson(command)) {
    output.json(facts);
    return;
  }
  for (const { fingerprint: digits, role, signsFrom } of facts) {
    const when = signsFrom === undefined ? '' : `, signs from ${humanTime(signsFrom)} UTC`;
    output.line(`${digits}  ${role}${when}`);
  }
}
