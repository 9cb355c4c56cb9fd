import type { Command } from 'commander';
import type { Token } from '../../../catalog/identities/tokens.ts';
import { withBackend } from '../../backend/open-backend.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import { humanTime } from '../../view/human.ts';
import type { Output } from '../../view/output.ts';
import { table } from '../../view/table.ts';
import { addTokenCreate } from './token-create.ts';

export function addTokenCommand(program: Command, output: Output): void {
  const token = program
    .command('token')
    .summary('create, list and revoke tokens')
    .description('Create, list and revoke tokens for the HTTP API, and join tokens.');
  addTokenCreate(token, output);
  addList(token, output);
  addRevoke(token, output);
}

function addList(token: Command, output: Output): void {
  const list = token
    .command('list')
    .summary('list tokens')
    .description(
      'List tokens, without their secrets. Tokens that were used to join, revoked or expired more than 30 days ago are omitted; "headwater audit" also shows them.',
    )
    .option('--all', 'also list tokens that ended more than 30 days ago')
    .action(async (options: { all?: boolean }) => {
      const tokens = await withBackend(
        list,
        { create: false },
        async (backend) => await backend.tokens({ all: options.all === true }),
      );
      if (wantsJson(list)) output.json(tokens);
      else if (tokens.length === 0) output.note('No tokens yet.');
      else {
        output.line(
          table(
            [
              { title: 'ID', value: ({ id }) => id },
              { title: 'NAME', value: ({ name }) => name },
              { title: 'FOR', value: ({ purpose }) => (purpose === 'join' ? 'joining' : 'the API') },
              { title: 'ALLOWS', value: ({ actions: allowed }) => allowed.join(',') },
              { title: 'STREAMS', value: ({ streams }) => streams?.join(',') ?? 'all' },
              { title: 'NAMES', value: ({ names }) => names?.join(',') ?? 'all' },
              { title: 'STATE', value: stateOf },
              { title: 'EXPIRES', value: ({ expiresAt }) => (expiresAt ? humanTime(expiresAt) : 'never') },
              {
                title: 'LAST USED',
                value: ({ lastUsedAt }) => (lastUsedAt ? humanTime(lastUsedAt) : 'never'),
              },
            ],
            tokens,
          ),
        );
      }
    });
  addExamples(list, ['headwater token list', 'headwater token list --all --json']);
}

function addRevoke(token: Command, output: Output): void {
  const revoke = token
    .command('revoke')
    .summary('revoke a token')
    .description('Revoke a token: the server refuses it from the next request.')
    .argument('<name|id>', 'the token')
    .action(async (idOrName: string) => {
      await withBackend(revoke, { create: false }, async (backend) => await backend.revokeToken(idOrName));
      if (wantsJson(revoke)) output.json({ token: idOrName, revoked: true });
      else output.line(`${idOrName} revoked`);
    });
  addExamples(revoke, ['headwater token revoke build-machine']);
}

function stateOf({ purpose, revokedAt, expiresAt, lastUsedAt }: Token): string {
  if (purpose === 'join' && lastUsedAt !== undefined) return 'used';
  if (revokedAt !== undefined) return 'revoked';
  return expiresAt !== undefined && expiresAt.getTime() <= Date.now() ? 'expired' : 'active';
}
