import type { Command } from 'commander';
import type { KeyFacts } from '../../../keys/key-ring.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import { humanTime } from '../../view/human.ts';
import type { Output } from '../../view/output.ts';
import { type Column, table } from '../../view/table.ts';
import { addKeyCreate } from './key-create.ts';
import { addKeyRetire, addKeyRotate } from './key-rotate.ts';
import { openKeys } from './open-keys.ts';

export function addKeyCommand(program: Command, output: Output): void {
  const key = program
    .command('key')
    .summary('manage the key that signs documents')
    .description(
      'Create, show, export, rotate and retire the OpenPGP key with which the server signs its documents. A running server applies changes within seconds.',
    );
  addKeyCreate(key, output);
  addList(key, output);
  addExport(key, output);
  addKeyRotate(key, output);
  addKeyRetire(key, output);
}

const columns: Column<KeyFacts>[] = [
  { title: 'ROLE', value: ({ role }) => role },
  { title: 'FINGERPRINT', value: ({ fingerprint }) => fingerprint },
  { title: 'ALGORITHM', value: ({ algorithm }) => algorithm },
  { title: 'CREATED', value: ({ createdAt }) => humanTime(createdAt) },
  { title: 'EXPIRES', value: ({ expiresAt }) => (expiresAt === undefined ? 'never' : humanTime(expiresAt)) },
  { title: 'SIGNS FROM', value: ({ signsFrom }) => (signsFrom === undefined ? '' : humanTime(signsFrom)) },
  { title: 'NAME', value: ({ name }) => name },
];

function addList(key: Command, output: Output): void {
  const command = key
    .command('list')
    .summary('list the published keys')
    .description(
      'List the keys whose public parts are published: the one that signs, its successor (next), and earlier ones (previous). Warns of a key that expires within 90 days.',
    )
    .action(async () => {
      const { keys } = await openKeys(command);
      const { expiryWarning } = await import('../../../keys/expiry.ts');
      if (wantsJson(command)) output.json(keys.facts);
      else output.line(table(columns, [...keys.facts]));
      const warning = expiryWarning(keys.signing.expiresAt);
      if (warning !== undefined) output.warning(warning.text);
    });
  addExamples(command, ['headwater key list', 'headwater key list --json']);
}

function addExport(key: Command, output: Output): void {
  const command = key
    .command('export')
    .summary('print the public keys')
    .description(
      'Print the public keys, for clients that pin them: the same bytes as /keys/headwater.gpg of the server. gpgv and simplestreams read only the binary form, which is the default unless the output is a terminal.',
    )
    .option('--armor', 'print the keys as text')
    .action(async (options: { armor?: boolean }) => {
      const { keys } = await openKeys(command);
      const { binary, armored } = keys.published;
      const isText = options.armor === true || process.stdout.isTTY;
      if (wantsJson(command)) output.json({ armored });
      else if (isText) output.line(armored.trimEnd());
      else output.bytes(binary);
    });
  addExamples(command, ['headwater key export > headwater.gpg', 'headwater key export --armor']);
}
