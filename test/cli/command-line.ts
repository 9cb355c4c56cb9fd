import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { attempt, type CommandResult } from '../support/command.ts';

/** The built program: `npm run build` comes before these tests. */
export const program = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** The environment of the tests with nothing of Headwater in it. */
function cleanEnvironment(): Record<string, string> {
  const inherited = Object.keys(process.env).filter((name) => name.startsWith('HEADWATER_'));
  return Object.fromEntries(inherited.map((name) => [name, '']));
}

interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
}

/** Runs the program as its users do, with nothing of Headwater in its environment but what is given. */
export async function headwater(args: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
  return await attempt(process.execPath, [program, ...args], {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...cleanEnvironment(), ...options.env },
    timeout: 60_000,
  });
}

/** A program that goes on until it is told to stop. */
export class RunningHeadwater {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], options: RunOptions = {}) {
    this.#child = spawn(process.execPath, [program, ...args], {
      cwd: options.cwd,
      env: { ...process.env, ...cleanEnvironment(), ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.#ended = new Promise((resolve) => this.#child.once('close', resolve));
  }

  /** The exit code, once it has ended. */
  get ended(): number | null {
    return this.#child.exitCode;
  }

  /** Waits until something holds; fails when the program ends first. */
  async until(holds: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await holds())) {
      if (this.#child.exitCode !== null) throw new Error(`it ended:\n${this.stdout}${this.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Sends a signal that does not end it. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends a signal and waits for the end. @returns the exit code; null when it ended by the signal itself */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal);
    return await this.#ended;
  }
}
