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
    .summary('list and revoke clients of LXD and Incus')
    .description(
      'List and revoke the clients of LXD and Incus that have joined. They join with a token ("headwater token create --join") or with the shared secret.',
    );
  addList(client, output);
  addRevoke(client, output);
}

function addList(client: Command, output: Output): void {
  const list = client
    .command('list')
    .summary('list clients')
    .description('List the clients that have joined, those that were revoked included.')
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
                value: ({ revokedAt }) => (revokedAt === undefined ? 'in force' : 'revoked'),
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
    .description('Revoke a client: its certificate is refused from the next request on. Its images stay.')
    .argument('<name|id|fingerprint>', 'the client; of the fingerprint, 12 digits are enough')
    .action(async (reference: string) => {
      await withBackend(revoke, { create: false }, async (backend) => await backend.revokeClient(reference));
      if (wantsJson(revoke)) output.json({ client: reference, revoked: true });
      else output.line(`${reference} revoked`);
    });
  addExamples(revoke, ['headwater client revoke laptop']);
}
