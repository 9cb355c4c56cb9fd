import type { Command } from 'commander';
import { HeadwaterError } from '../errors.ts';
import { suggest } from '../suggestion.ts';

/** Adds examples, and a pointer to the global options, to the end of a command's help. */
export function addExamples(command: Command, examples: readonly string[]): Command {
  const lines = examples.map((example) => `  ${example}`).join('\n');
  return command.addHelpText(
    'after',
    `\nExamples:\n${lines}\n\nOptions of every command (--config, --data-dir, --server, --token, --json, …): headwater --help`,
  );
}

/** Collects the values of a repeatable option. */
export function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}

/** `help token create` prints the same as `token create --help`. */
export function addHelpCommand(program: Command): void {
  const help = program
    .command('help')
    .summary('show the help of a command')
    .description('Show the help of a command, or the list of commands.')
    .argument('[command...]', 'the command, such as token create')
    .action((path: string[]) => {
      let command = program;
      for (const word of path) {
        const next = command.commands.find((candidate) => candidate.name() === word);
        if (next === undefined) throw unknownCommand(command, word);
        command = next;
      }
      command.outputHelp();
    });
  addExamples(help, ['headwater help', 'headwater help token create']);
}

function unknownCommand(parent: Command, word: string): HeadwaterError {
  const near = suggest(
    word,
    parent.commands.map((command) => command.name()),
  );
  const advice = near === undefined ? 'see "headwater help"' : `did you mean ${near}?`;
  return new HeadwaterError('usage', `unknown command ${JSON.stringify(word)}: ${advice}`);
}
