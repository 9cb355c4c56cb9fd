import { Command } from 'commander';
import { version } from '../version.ts';
import { addBundleCommand } from './commands/bundles/bundle.ts';
import { addAuditCommand } from './commands/identities/audit.ts';
import { addClientCommand } from './commands/identities/client.ts';
import { addTokenCommand } from './commands/identities/token.ts';
import { addAliasCommand } from './commands/images/alias.ts';
import { addIndexCommand } from './commands/images/index-tree.ts';
import { addListCommand } from './commands/images/list.ts';
import { addPublishCommand } from './commands/images/publish.ts';
import { addRemoveCommand } from './commands/images/remove.ts';
import { addShowCommand } from './commands/images/show.ts';
import { addKeyCommand } from './commands/keys/key.ts';
import { addMirrorCommand } from './commands/mirrors/mirror.ts';
import { addConfigCommand } from './commands/server/config.ts';
import { addHealthCommand } from './commands/server/health.ts';
import { addServeCommand } from './commands/server/serve.ts';
import { addStorageCommand } from './commands/server/storage.ts';
import { addVerifyCommand } from './commands/server/verify.ts';
import { addGlobalOptions } from './global-options.ts';
import { addHelpCommand } from './help.ts';
import type { Output } from './view/output.ts';

/** The command line of Headwater. Its errors are thrown; nothing in it ends the process. */
export function createProgram(output: Output): Command {
  const program = new Command('headwater')
    .description('Image server for LXD and Incus.')
    .version(version, '-V, --version', 'print the version')
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
  addBundleCommand(program, output);
  addListCommand(program, output);
  addShowCommand(program, output);
  addRemoveCommand(program, output);
  addAliasCommand(program, output);
  addTokenCommand(program, output);
  addClientCommand(program, output);
  addKeyCommand(program, output);
  addAuditCommand(program, output);
  addStorageCommand(program, output);
  addVerifyCommand(program, output);
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
