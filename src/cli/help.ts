import type { Command } from 'commander';

/** Puts examples, and where to read on, at the end of a command's help. */
export function addExamples(command: Command, examples: readonly string[]): Command {
  const lines = examples.map((example) => `  ${example}`).join('\n');
  return command.addHelpText(
    'after',
    `\nExamples:\n${lines}\n\nOptions of every command (--config, --data-dir, --server, --token, --json, …): headwater --help`,
  );
}

/** For options that may be given several times. */
export function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}
