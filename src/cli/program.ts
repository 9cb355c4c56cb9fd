import { Command } from 'commander';
import { version } from '../version.ts';
import { addAliasCommand } from './commands/alias.ts';
import { addAuditCommand } from './commands/audit.ts';
import { addClientCommand } from './commands/client.ts';
import { addConfigCommand } from './commands/config.ts';
import { addHealthCommand } from './commands/health.ts';
import { addIndexCommand } from './commands/index-tree.ts';
import { addListCommand } from './commands/list.ts';
import { addMirrorCommand } from './commands/mirror.ts';
import { addPublishCommand } from './commands/publish.ts';
import { addRemoveCommand } from './commands/remove.ts';
import { addServeCommand } from './commands/serve.ts';
import { addShowCommand } from './commands/show.ts';
import { addStorageCommand } from './commands/storage.ts';
import { addTokenCommand } from './commands/token.ts';
import { addGlobalOptions } from './global-options.ts';
import { addHelpCommand } from './help.ts';
import type { Output } from './output.ts';

/** The command line of Headwater. Its errors are thrown; nothing in it ends the process. */
export function createProgram(output: Output): Command {
  const program = new Command('headwater')
    .description('Image server for LXD and Incus.')
    .version(version)
    .usage('COMMAND [options]')
    .helpCommand(false)
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
  addGlobalOptions(program);
  addServeCommand(program, output);
  addPublishCommand(program, output);
  addIndexCommand(program, output);
  addMirrorCommand(program, output);
  addListCommand(program, output);
  addShowCommand(program, output);
  addRemoveCommand(program, output);
  addAliasCommand(program, output);
  addTokenCommand(program, output);
  addClientCommand(program, output);
  addAuditCommand(program, output);
  addStorageCommand(program, output);
  addConfigCommand(program, output);
  addHealthCommand(program, output);
  addHelpCommand(program);
  return program.addHelpText(
    'after',
    `
Examples:
  headwater serve
  headwater publish metadata.tar.xz rootfs.squashfs
  headwater list

Exit codes: 0 done, 1 a defect, 2 wrong usage, 3 invalid input, 4 not found, 5 conflict, 6 not allowed,
7 server or store unavailable, 8 no space, 9 cancelled; 130 and 143 after SIGINT and SIGTERM.`,
  );
}
