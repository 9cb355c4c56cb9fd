import type { Command } from 'commander';
import { withBackend } from '../../backend/open-backend.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import { humanTime } from '../../view/human.ts';
import type { Output } from '../../view/output.ts';
import { table } from '../../view/table.ts';

export function addClientCommand(program: Command, output: Output): void {
  const client = program
    .command('client')
    .summary('list and revoke LXD and Incus clients')
    .description(
      'List and revoke LXD and Incus clients that have joined. A client joins with a token ("headwater token create --join") or with the shared secret.',
    );
  addList(client, output);
  addRevoke(client, output);
}

function addList(client: Command, output: Output): void {
  const list = client
    .command('list')
    .summary('list clients')
    .description('List the clients that have joined, including revoked ones.')
    .action(async () => {
      const clients = await withBackend(list, { create: false }, async (backend) => await backend.clients());
      if (wantsJson(list)) output.json(clients);
      else if (clients.length === 0) output.note('No client has joined yet.');
      else {
        output.line(
          table(
            [
              { title: 'ID', value: ({ id }) => id },
              { title: 'NAME', value: ({ name }) => name },
              { title: 'FINGERPRINT', value: ({ fingerprint }) => fingerprint.slice(0, 12) },
              { title: 'ALLOWS', value: ({ actions }) => actions.join(',') },
              { title: 'STREAMS', value: ({ streams }) => streams?.join(',') ?? 'all' },
              { title: 'NAMES', value: ({ names }) => names?.join(',') ?? 'all' },
              {
                title: 'STATE',
                value: ({ revokedAt }) => (revokedAt === undefined ? 'active' : 'revoked'),
              },
              { title: 'JOINED', value: ({ createdAt }) => humanTime(createdAt) },
              {
                title: 'LAST USED',
                value: ({ lastUsedAt }) => (lastUsedAt ? humanTime(lastUsedAt) : 'never'),
              },
            ],
            clients,
          ),
        );
      }
    });
  addExamples(list, ['headwater client list', 'headwater client list --json']);
}

function addRevoke(client: Command, output: Output): void {
  const revoke = client
    .command('revoke')
    .summary('revoke a client')
    .description(
      'Revoke a client: the server refuses its certificate from the next request. Its images stay.',
    )
    .argument('<name|id|fingerprint>', 'the client; 12 digits of the fingerprint are enough')
    .action(async (reference: string) => {
      await withBackend(revoke, { create: false }, async (backend) => await backend.revokeClient(reference));
      if (wantsJson(revoke)) output.json({ client: reference, revoked: true });
      else output.line(`${reference} revoked`);
    });
  addExamples(revoke, ['headwater client revoke laptop']);
}
