import { type Command, Option } from 'commander';
import { parseNamePart } from '../../catalog/names.ts';
import { type Action, actions } from '../../catalog/rights.ts';
import type { Token } from '../../catalog/tokens.ts';
import { parseDuration } from '../../config/quantities.ts';
import { HeadwaterError } from '../../errors.ts';
import type { TokenRequest } from '../backend.ts';
import { wantsJson } from '../global-options.ts';
import { addExamples, collect } from '../help.ts';
import { humanTime } from '../human.ts';
import { withBackend } from '../open-backend.ts';
import type { Output } from '../output.ts';
import { table } from '../table.ts';

export function addTokenCommand(program: Command, output: Output): void {
  const token = program
    .command('token')
    .summary('create, list and revoke tokens')
    .description('Create, list and revoke the tokens of the HTTP API.');
  addCreate(token, output);
  addList(token, output);
  addRevoke(token, output);
}

function addCreate(token: Command, output: Output): void {
  const create = token
    .command('create')
    .summary('make a token')
    .description(
      'Make a token for the HTTP API and print its secret, which is never shown again. The secret goes to standard output, everything else to standard error.',
    )
    .argument('<name>', 'who or what will use it')
    .option(
      '--allow <actions>',
      `what it allows: ${actions.join(', ')} (commas between them)`,
      'read,publish',
    )
    .addOption(
      new Option('--stream <stream>', 'allow it in this stream only (repeatable; default: in all)').argParser(
        collect,
      ),
    )
    .option('--expires <duration>', 'stop working after this time, such as 12h or 30d (default: never)')
    .action(async (name: string, options: { allow: string; stream?: string[]; expires?: string }) => {
      const request = requestOf(name, options);
      const created = await withBackend(
        create,
        { create: true },
        async (backend) => await backend.createToken(request),
      );
      if (wantsJson(create)) {
        output.json({ ...created.token, token: created.secret });
      } else {
        output.note(`token ${created.token.id} (${created.token.name}) allows ${describe(created.token)}`);
        output.line(created.secret);
      }
    });
  addExamples(create, [
    'headwater token create build-machine',
    'headwater token create ci --allow publish --stream nightly --expires 90d',
    'TOKEN=$(headwater token create admin --allow admin)',
  ]);
}

function requestOf(
  name: string,
  options: { allow: string; stream?: string[]; expires?: string },
): TokenRequest {
  if (name === '' || name.length > 100 || /[\u0000-\u001f\u007f]/.test(name)) {
    throw new HeadwaterError(
      'invalid',
      'the name of a token: use 1 to 100 characters, and no control characters',
    );
  }
  const lifetime = options.expires === undefined ? undefined : parseDuration(options.expires);
  if (options.expires !== undefined && (lifetime === undefined || lifetime === 0)) {
    throw new HeadwaterError(
      'usage',
      `--expires ${options.expires}: expected a duration with its unit, such as 30d`,
    );
  }
  return {
    name,
    actions: parseActions(options.allow),
    ...(options.stream === undefined
      ? {}
      : { streams: options.stream.map((stream) => parseNamePart('--stream', stream)) }),
    ...(lifetime === undefined ? {} : { expiresAt: new Date(Date.now() + lifetime) }),
  };
}

function parseActions(text: string): Action[] {
  const names = text.split(',').map((name) => name.trim());
  const wrong = names.find((name) => !actions.some((action) => action === name));
  if (wrong !== undefined) {
    throw new HeadwaterError(
      'usage',
      `--allow ${text}: ${JSON.stringify(wrong)} is not one of ${actions.join(', ')}`,
    );
  }
  return actions.filter((action) => names.includes(action));
}

function addList(token: Command, output: Output): void {
  const list = token
    .command('list')
    .summary('list tokens')
    .description('List tokens, without their secrets.')
    .action(async () => {
      const tokens = await withBackend(list, { create: false }, async (backend) => await backend.tokens());
      if (wantsJson(list)) output.json(tokens);
      else if (tokens.length === 0) output.note('There are no tokens yet.');
      else {
        output.line(
          table(
            [
              { title: 'ID', value: ({ id }) => id },
              { title: 'NAME', value: ({ name }) => name },
              { title: 'ALLOWS', value: ({ actions: allowed }) => allowed.join(',') },
              { title: 'STREAMS', value: ({ streams }) => streams?.join(',') ?? 'all' },
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
  addExamples(list, ['headwater token list', 'headwater token list --json']);
}

function addRevoke(token: Command, output: Output): void {
  const revoke = token
    .command('revoke')
    .summary('revoke a token')
    .description('Revoke a token: it is refused from the next request on.')
    .argument('<name|id>', 'the token')
    .action(async (idOrName: string) => {
      await withBackend(revoke, { create: false }, async (backend) => await backend.revokeToken(idOrName));
      if (wantsJson(revoke)) output.json({ token: idOrName, revoked: true });
      else output.line(`${idOrName} revoked`);
    });
  addExamples(revoke, ['headwater token revoke build-machine']);
}

function describe({ actions: allowed, streams, expiresAt }: Token): string {
  const where = streams === undefined ? 'in all streams' : `in ${streams.join(', ')}`;
  return `${allowed.join(', ')} ${where}${expiresAt === undefined ? '' : ` until ${humanTime(expiresAt)} UTC`}`;
}

function stateOf({ revokedAt, expiresAt }: Token): string {
  if (revokedAt !== undefined) return 'revoked';
  return expiresAt !== undefined && expiresAt.getTime() <= Date.now() ? 'expired' : 'in force';
}
