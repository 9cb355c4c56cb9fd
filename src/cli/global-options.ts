import { type Command, Option } from 'commander';
import { HeadwaterError } from '../errors.ts';

/** Options that every command accepts, before or after its name. */
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
        'configuration file (default: ./headwater.yaml, then /etc/headwater/headwater.yaml)',
      ).env('HEADWATER_CONFIG'),
    )
    // Its variable is a setting like the others: config/layers.ts reads it.
    .option('--data-dir <dir>', 'use this data directory (env: HEADWATER_DATA_DIR)')
    .addOption(
      new Option('--server <url>', 'use a server instead of a data directory').env('HEADWATER_SERVER'),
    )
    .addOption(new Option('--token <token>', 'token for the server').env('HEADWATER_TOKEN'))
    .addOption(new Option('--ca <file>', 'also trust the certificates in this PEM file').env('HEADWATER_CA'))
    .option('--insecure', "do not verify the server's certificate")
    .option('--json', 'print results and errors as JSON');
}

/** Where a command works: a data directory or a server. */
export type Target =
  | { kind: 'local'; config?: string; dataDir?: string }
  | { kind: 'remote'; server: string; token?: string; ca?: string; insecure: boolean };

/**
 * The target of the global options. Flags override the environment: with `--data-dir` or `--config`, a command works
 * locally even if HEADWATER_SERVER is set.
 * @throws HeadwaterError `usage` for flags that contradict each other
 */
export function targetOf(command: Command): Target {
  const options = optionsOf(command);
  const isFlag = (name: keyof GlobalOptions) => command.getOptionValueSourceWithGlobals(name) === 'cli';
  const localFlag = isFlag('dataDir') ? '--data-dir' : isFlag('config') ? '--config' : undefined;
  if (isFlag('server') && localFlag !== undefined) {
    throw new HeadwaterError('usage', `--server and ${localFlag} exclude each other`);
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
      throw new HeadwaterError('usage', `${remoteFlag} needs a server: use --server or HEADWATER_SERVER`);
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

/** Where `serve`, `config check` and other commands that cannot use a server find the configuration. */
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

/** The given options; an empty environment variable counts as unset. */
function given<Key extends 'config' | 'dataDir' | 'token' | 'ca'>(
  options: GlobalOptions,
  ...keys: Key[]
): { [Name in Key]?: string } {
  const result: { [Name in Key]?: string } = {};
  for (const key of keys) if (options[key]) result[key] = options[key];
  return result;
}
