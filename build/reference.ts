// Generates the command reference and the manual page from the help of the commands.
import type { Argument, Command, Option } from 'commander';
import { createProgram } from '../src/cli/program.ts';
import { standardOutput } from '../src/cli/view/output.ts';
import { version } from '../src/version.ts';

/** Text that is not part of the help of a command. */
const introduction = `\`--json\` prints results on standard output, and errors as a JSON object on standard error, after the line for people.
Put tokens in the environment: other users of the machine can see command lines.

## Names of versions

REF is an alias, \`alias/architecture\` or \`os:release:architecture:variant\`: the newest version, or with \`@serial\` the version of
that serial. Six or more digits of a fingerprint also identify a version.

## Filters

A filter of \`list\` is \`key=value\` with one of the keys os, release, architecture, variant, stream, type, alias and serial, where
\`*\` and \`?\` match anything; or a word, which may occur anywhere. All filters must match.

## The audit log

WHO is \`client:NAME\`, \`token:NAME\`, or \`local:USER\` for the command line. Each change is recorded in the transaction that makes
it. For pushed images, the details contain the fingerprint, the aliases and whether the image is public (\`madePublic\` if a push of
known bytes made it so), and what an edit changed. Images that \`registry.keep\` removes are recorded as \`image.prune\`.

## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | a defect of Headwater; please report it with the output |
| 2 | wrong usage |
| 3 | a file, a name or a setting is invalid; or a permission, a certificate or a key must be changed first |
| 4 | not found |
| 5 | conflict: the command would change something published, or take something from another owner; or a name is ambiguous |
| 6 | no valid token, or one that does not allow this |
| 7 | the server or the store cannot be reached; the same command may work later |
| 8 | no space left |
| 9 | cancelled by the other side |
| 130, 143 | ended by SIGINT (Ctrl-C) or SIGTERM |`;

/** A command without subcommands, such as `token create`. */
interface Leaf {
  /** The full name, with that of the program. */
  name: string;
  command: Command;
}

/** The generated files by path. */
export function referenceFiles(): Record<string, string> {
  const program = createProgram(standardOutput);
  return {
    'docs/commands.md': markdown(program),
    'docs/headwater.1': manualPage(program),
  };
}

function leavesOf(command: Command, name = 'headwater'): Leaf[] {
  if (command.commands.length === 0) return [{ name, command }];
  return command.commands.flatMap((child) => leavesOf(child, `${name} ${child.name()}`));
}

function markdown(program: Command): string {
  const leaves = leavesOf(program);
  const parts = [
    '# Commands',
    '<!-- Made by `npm run docs` from the help of the commands. -->',
    'Commands work on the data directory of this machine, also while a server uses it, or on a server (`--server`).',
    leaves.map(({ name, command }) => `- [${name}](#${anchor(name)}): ${command.summary()}`).join('\n'),
    '## Options of every command',
    optionTable(program.options),
    introduction,
  ];
  for (const { name, command } of leaves) {
    parts.push(`## ${name}`, command.description(), fence(usage(name, command)));
    const takes = [...command.registeredArguments.map(argumentRow), ...command.options.map(optionRow)];
    if (takes.length > 0) parts.push(table(takes));
    const examples = examplesOf(command);
    if (examples.length > 0) parts.push('Examples:', fence(examples.join('\n')));
  }
  return `${parts.join('\n\n')}\n`;
}

function anchor(name: string): string {
  return name.replaceAll(' ', '-');
}

function fence(text: string): string {
  return `\`\`\`sh\n${text}\n\`\`\``;
}

function usage(name: string, command: Command): string {
  return `${name} ${command.usage()}`;
}

function optionTable(options: readonly Option[]): string {
  return table(options.map(optionRow));
}

function optionRow({ flags, description, envVar }: Option): [string, string] {
  return [flags, envVar === undefined ? description : `${description} (env: ${envVar})`];
}

function argumentRow(argument: Argument): [string, string] {
  return [argument.name(), argument.description];
}

function table(rows: [string, string][]): string {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  const lines = rows.map(([name, text]) => `| \`${cell(name)}\` | ${cell(text)} |`);
  return ['| | |', '|---|---|', ...lines].join('\n');
}

/** The text below the options in the help of a command. */
function after(command: Command): string {
  const written: string[] = [];
  command.configureOutput({ writeOut: (text) => written.push(text) });
  command.outputHelp();
  return written.join('').slice(command.helpInformation().length);
}

function examplesOf(command: Command): string[] {
  const [, examples = ''] = /^Examples:\n((?: {2}.*\n)+)/m.exec(`${after(command)}\n`) ?? [];
  return examples
    .trimEnd()
    .split('\n')
    .map((line) => line.trim());
}

function exitCodes(program: Command): string {
  const [, text = ''] = /Exit codes: (.+)$/s.exec(after(program)) ?? [];
  return text.trim().replaceAll('\n', ' ');
}

function manualPage(program: Command): string {
  const lines = [
    `.TH HEADWATER 1 "" "headwater ${version}" "User commands"`,
    '.SH NAME',
    roff(`headwater - ${lowerFirst(program.description().replace(/\.$/, ''))}`),
    '.SH SYNOPSIS',
    '.B headwater',
    roff(program.usage()),
    '.SH DESCRIPTION',
    roff(
      'Commands work on the data directory of this machine, also while a server uses it, or on a server (--server).',
    ),
    '.SH OPTIONS OF EVERY COMMAND',
    ...program.options.flatMap(optionEntry),
    '.SH COMMANDS',
  ];
  for (const { name, command } of leavesOf(program)) {
    lines.push(`.SS ${roff(usage(name, command))}`, roff(command.description()));
    for (const [term, text] of command.registeredArguments.map(argumentRow)) lines.push(...entry(term, text));
    lines.push(...command.options.flatMap(optionEntry));
    const examples = examplesOf(command);
    if (examples.length > 0) lines.push('.PP', 'Examples:', '.PP', '.nf', ...examples.map(roff), '.fi');
  }
  lines.push('.SH EXIT STATUS', roff(exitCodes(program)));
  lines.push(
    '.SH FILES',
    ...entry(
      './headwater.yaml, /etc/headwater/headwater.yaml',
      'the configuration; the first existing file is read',
    ),
    ...entry('./data', 'the default data directory'),
    '.SH ENVIRONMENT',
    ...entry(
      'HEADWATER_…',
      'every setting, such as HEADWATER_LISTEN_PORT for listen.port; docs/settings.md lists them',
    ),
  );
  return `${lines.join('\n')}\n`;
}

function optionEntry(option: Option): string[] {
  const [flags, text] = optionRow(option);
  return entry(flags, text);
}

function entry(term: string, text: string): string[] {
  return ['.TP', `.B ${roff(term)}`, roff(text)];
}

/** Text escaped for troff, as a line that is not a request (groff_man(7)). */
function roff(text: string): string {
  const escaped = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('…', '...');
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
