import { type Command, Option } from 'commander';
import type { Token } from '../../../catalog/identities/tokens.ts';
import { parseDuration } from '../../../config/quantities.ts';
import { HeadwaterError } from '../../../errors.ts';
import { defined } from '../../../model/defined.ts';
import { parseNamePart } from '../../../model/names.ts';
import { type Action, actions, parsePattern, type Role, roles } from '../../../model/rights.ts';
import type { TokenRequest } from '../../backend/backend.ts';
import { withBackend } from '../../backend/open-backend.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples, collect } from '../../help.ts';
import { humanTime } from '../../view/human.ts';
import type { Output } from '../../view/output.ts';

/** A join token should not stay valid for long. */
const joinLifetime = '1d';

interface CreateOptions {
  join?: boolean;
  allow?: string;
  role?: Role;
  stream?: string[];
  createStream?: boolean;
  namePattern?: string[];
  expires?: string;
}

export function addTokenCreate(token: Command, output: Output): void {
  const create = token
    .command('create')
    .summary('create a token')
    .description(
      'Create a token and print it to standard output. It is shown once; only a hash is stored. With --join, it is a join token, with which one LXD or Incus client joins: "lxc remote add NAME TOKEN".',
    )
    .argument('<name>', 'name of the token, and of the client that joins with it')
    .option('--join', 'create a join token instead of a token for the HTTP API')
    .option('--allow <actions>', `rights, separated by commas: ${actions.join(', ')} (default: read,publish)`)
    .addOption(
      new Option(
        '--role <role>',
        'rights as a role; publish includes read and remove (default with --join: publish)',
      )
        .choices(Object.keys(roles))
        .conflicts('allow'),
    )
    .addOption(
      new Option(
        '--stream <stream>',
        'limit the rights to this stream (repeatable; default: all streams; with --join --role publish, the stream for pushed images)',
      ).argParser(collect),
    )
    .option('--create-stream', 'accept streams that do not exist yet')
    .addOption(
      new Option(
        '--name-pattern <pattern>',
        'limit the rights to matching aliases and products; * and ? match anything (repeatable)',
      ).argParser(collect),
    )
    .option(
      '--expires <duration>',
      `lifetime, such as 12h or 30d (default: unlimited; with --join, ${joinLifetime})`,
    )
    .action(async (name: string, options: CreateOptions) => {
      const request = requestOf(name, options);
      const created = await withBackend(
        create,
        { create: true },
        async (backend) => await backend.createToken(request),
      );
      for (const warning of created.warnings) output.warning(warning);
      if (wantsJson(create)) {
        output.json({ ...created.token, token: created.secret });
      } else {
        output.note(`token ${created.token.id} (${created.token.name}) allows ${describe(created.token)}`);
        output.line(created.secret);
      }
    });
  addExamples(create, [
    'headwater token create build-machine',
    'headwater token create ci --allow publish --stream nightly --create-stream --expires 90d',
    'headwater token create laptop --join',
    "headwater token create app-team --join --name-pattern 'team/app*'",
    'TOKEN=$(headwater token create admin --allow admin)',
  ]);
}

function requestOf(name: string, options: CreateOptions): TokenRequest {
  const expires = options.expires ?? (options.join === true ? joinLifetime : undefined);
  const lifetime = expires === undefined ? undefined : parseDuration(expires);
  if (expires !== undefined && (lifetime === undefined || lifetime === 0)) {
    throw new HeadwaterError('usage', `--expires ${expires}: expected a duration with its unit, such as 30d`);
  }
  return {
    name,
    purpose: options.join === true ? 'join' : 'api',
    ...defined({ role: options.role }),
    ...(options.allow === undefined ? {} : { actions: parseActions(options.allow) }),
    ...(options.stream === undefined
      ? {}
      : { streams: options.stream.map((stream) => parseNamePart('--stream', stream)) }),
    ...defined({ createStream: options.createStream, names: options.namePattern?.map(parsePattern) }),
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

function describe({ purpose, actions: allowed, streams, names, expiresAt }: Token): string {
  const parts = [
    purpose === 'join' ? 'a client to join, for' : undefined,
    allowed.join(', '),
    streams === undefined ? 'in all streams' : `in ${streams.join(', ')}`,
    names === undefined ? undefined : `of ${names.join(', ')}`,
    expiresAt === undefined ? undefined : `until ${humanTime(expiresAt)} UTC`,
  ];
  return parts.filter((part) => part !== undefined).join(' ');
}
