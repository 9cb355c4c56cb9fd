import { type Command, Option } from 'commander';
import { HeadwaterError } from '../errors.ts';

/** Options that every command takes, before or after its name. */
interface GlobalOptions {
  config?: string;
  dataDir?: string;
  server?: string;
  token?: string;
  ca?: string;
  insecure?: boolean;
  json?: boolean;
}

export function addGlobalOptions(program: Command): void {
  program
    .addOption(
      new Option(
        '--config <file>',
        'the configuration (default: ./headwater.yaml, then /etc/headwater/headwater.yaml)',
      ).env('HEADWATER_CONFIG'),
    )
    // Its variable is a setting like the others: config/layers.ts reads it.
    .option('--data-dir <dir>', 'work on this data directory (env: HEADWATER_DATA_DIR)')
    .addOption(
      new Option('--server <url>', 'work on a server instead of a data directory').env('HEADWATER_SERVER'),
    )
    .addOption(new Option('--token <token>', 'what the server lets you do').env('HEADWATER_TOKEN'))
    .addOption(new Option('--ca <file>', 'trust the certificates in this PEM file too').env('HEADWATER_CA'))
    .option('--insecure', "do not check the server's certificate")
    .option('--json', 'print results as JSON, and errors too');
}

/** Where a command shall work, and how. */
export type Target =
  | { kind: 'local'; config?: string; dataDir?: string }
  | { kind: 'remote'; server: string; token?: string; ca?: string; insecure: boolean };

/**
 * What the global options mean. A flag wins over the environment: `--data-dir` and `--config` make a command work
 * locally even where HEADWATER_SERVER is set.
 * @throws HeadwaterError `usage` for flags that contradict each other
 */
export function targetOf(command: Command): Target {
  const options = optionsOf(command);
  const isFlag = (name: keyof GlobalOptions) => command.getOptionValueSourceWithGlobals(name) === 'cli';
  const localFlag = isFlag('dataDir') ? '--data-dir' : isFlag('config') ? '--config' : undefined;
  if (isFlag('server') && localFlag !== undefined) {
    throw new HeadwaterError('usage', `--server and ${localFlag}: a command works on one of the two`);
  }
  const remoteFlag = isFlag('insecure')
    ? '--insecure'
    : isFlag('ca')
      ? '--ca'
      : isFlag('token')
        ? '--token'
        : undefined;
  if (options.server === undefined || options.server === '' || localFlag !== undefined) {
    if (remoteFlag !== undefined) {
      throw new HeadwaterError(
        'usage',
        `${remoteFlag} is for servers: name one with --server or HEADWATER_SERVER`,
      );
    }
    return { kind: 'local', ...given(options, 'config', 'dataDir') };
  }
  return {
    kind: 'remote',
    server: options.server,
    ...given(options, 'token', 'ca'),
    insecure: options.insecure === true,
  };
}

/** Where `serve` and `config check`, which make no sense on a server, shall look for the configuration. */
export function localTargetOf(command: Command): Extract<Target, { kind: 'local' }> {
  if (command.getOptionValueSourceWithGlobals('server') === 'cli') {
    throw new HeadwaterError('usage', `--server: "${command.name()}" works on this machine only`);
  }
  const options = optionsOf(command);
  return { kind: 'local', ...given(options, 'config', 'dataDir') };
}

export function wantsJson(command: Command): boolean {
  return optionsOf(command).json === true;
}

function optionsOf(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>();
}

/** Those of the options that were given; an empty variable is the same as none. */
function given<Key extends 'config' | 'dataDir' | 'token' | 'ca'>(
  options: GlobalOptions,
  ...keys: Key[]
): { [Name in Key]?: string } {
  const found: { [Name in Key]?: string } = {};
  for (const key of keys) if (options[key]) found[key] = options[key];
  return found;
}
