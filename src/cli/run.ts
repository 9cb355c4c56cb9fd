import { type Command, CommanderError } from 'commander';
import { HeadwaterError } from '../errors.ts';
import { exitCodeOf } from './exit-codes.ts';
import { interruptionExitCode } from './interruption.ts';
import { createProgram } from './program.ts';
import { untilSettled } from './unsettled.ts';
import { reportError, standardOutput } from './view/output.ts';

/**
 * Runs a command line.
 * @param words what follows the program's name
 * @returns the exit code
 */
export async function run(words: readonly string[]): Promise<number> {
  const program = createProgram(standardOutput);
  if (words.length === 0) {
    program.outputHelp();
    return 0;
  }
  try {
    await untilSettled(program.parseAsync(words, { from: 'user' }), { json: words.includes('--json') });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const known = error instanceof CommanderError ? usageError(error, program, words) : error;
    reportError(known, { json: words.includes('--json') });
    return interruptionExitCode() ?? exitCodeOf(known);
  }
}

/** A usage error that points to the help of the command in question. */
function usageError(error: CommanderError, program: Command, words: readonly string[]): HeadwaterError {
  let command = program;
  const path = ['headwater'];
  for (const word of words) {
    const next = command.commands.find((candidate) => candidate.name() === word);
    if (next === undefined) continue;
    command = next;
    path.push(word);
  }
  const message =
    error.code === 'commander.help'
      ? 'missing command'
      : error.message.replace(/^error: /, '').replaceAll('\n', ' ');
  return new HeadwaterError('usage', `${message}; see "${path.join(' ')} --help"`);
}
