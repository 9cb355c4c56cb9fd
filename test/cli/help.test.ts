import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { exitCodeOf } from '../../src/cli/exit-codes.ts';
import { createProgram } from '../../src/cli/program.ts';
import { standardOutput } from '../../src/cli/view/output.ts';
import { settings } from '../../src/config/settings.ts';
import { type ErrorKind, HeadwaterError } from '../../src/errors.ts';
import { headwater } from './command-line.ts';

interface Leaf {
  path: string[];
  command: Command;
}

/** Every command that does something: `token create`, but not `token`. */
function leaves(command: Command, path: string[] = []): Leaf[] {
  if (command.commands.length === 0) return [{ path, command }];
  return command.commands.flatMap((child) => leaves(child, [...path, child.name()]));
}

const program = createProgram(standardOutput);
const commands = leaves(program).map((leaf) => ({ ...leaf, name: leaf.path.join(' ') }));

/** The help as it is printed, with what is added to its end. */
function helpOf(command: Command): string {
  const text: string[] = [];
  command.configureOutput({ writeOut: (written) => text.push(written) });
  command.outputHelp();
  return text.join('');
}

describe('help', () => {
  test('lists all commands', () => {
    expect(commands.map(({ name }) => name)).toEqual([
      'serve',
      'publish',
      'index',
      'mirror list',
      'mirror plan',
      'mirror run',
      'mirror status',
      'mirror verify',
      'mirror drop',
      'mirror hand-over',
      'bundle create',
      'bundle inspect',
      'bundle verify',
      'bundle plan',
      'bundle import',
      'bundle watch',
      'bundle receipt',
      'bundle acknowledge',
      'bundle list',
      'list',
      'show',
      'remove',
      'alias set',
      'alias unset',
      'alias list',
      'token create',
      'token list',
      'token revoke',
      'client list',
      'client revoke',
      'key create',
      'key list',
      'key export',
      'key rotate',
      'key retire',
      'audit',
      'storage status',
      'storage adopt',
      'storage sweep',
      'storage restore',
      'verify',
      'config check',
      'health',
      'help',
    ]);
  });

  test.each(commands)('of $name describes the command and gives examples', ({ name, command }) => {
    const text = helpOf(command);
    expect(text).toMatch(/^Usage: headwater .*\n\n[A-Z]/);
    const examples = /\nExamples:\n((?: {2}.*\n)+)/.exec(text)?.[1] ?? '';
    expect(examples).toContain(`headwater ${name}`);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(110);
  });

  test.each(commands)('the examples of $name are understood', ({ name, command }) => {
    const lines = helpOf(command)
      .split('\n')
      .filter((line) => line.includes(`headwater ${name}`));
    for (const line of lines.filter((candidate) => candidate.startsWith('  '))) {
      for (const [flag] of line.matchAll(/(?<=\s)--[a-z-]+/g)) {
        const known = [...command.options, ...program.options].map(({ long }) => long);
        expect(known, line).toContain(flag);
      }
    }
  });

  test('of the program lists the commands, the options and the exit codes', async () => {
    const { code, stdout, stderr } = await headwater(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { stdout: ofList } = await headwater(['list', '--help']);
    expect(ofList).toContain('\nExamples:\n  headwater list\n');
    for (const name of new Set(commands.map(({ path }) => path[0]))) expect(stdout).toContain(`\n  ${name} `);
    expect(stdout).toContain('Exit codes: 0 done');
  });
});

describe('docs/settings.md and docs/commands.md', () => {
  const text = readFileSync('docs/settings.md', 'utf8');
  const section = readFileSync('docs/commands.md', 'utf8');

  test('have every setting, or the file that has it', () => {
    const keys = new Set(
      settings.map(({ path, key }) => (/^(tls|storage)$/.test(path[0] ?? '') ? path[0] : key)),
    );
    for (const key of keys) expect(text).toContain(`| \`${key}\` |`);
  });

  test('have every exit code', () => {
    const kinds: Record<ErrorKind, true> = {
      usage: true,
      invalid: true,
      'not-found': true,
      conflict: true,
      unauthorized: true,
      forbidden: true,
      'too-large': true,
      'no-space': true,
      unavailable: true,
      aborted: true,
    };
    const codes = Object.keys(kinds).map((kind) => exitCodeOf(new HeadwaterError(kind as ErrorKind, '')));
    for (const code of new Set([0, exitCodeOf(new Error('defect')), ...codes])) {
      expect(section).toMatch(new RegExp(`\\| ${code} \\|`));
    }
  });
});
