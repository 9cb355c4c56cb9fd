import { type ChildProcess, spawn } from 'node:child_process';
import { program } from '../cli/command-line.ts';

/** How a process ended. */
export interface Ended {
  /** The exit code; null when a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A command or a server of Headwater that can be killed at any moment. */
export class Running {
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';
  readonly #child: ChildProcess;
  #over = false;

  constructor(args: readonly string[], options: { cwd: string; env: Record<string, string> }) {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('HEADWATER_'));
    this.#child = spawn(process.execPath, [program, ...args], {
      cwd: options.cwd,
      env: { ...Object.fromEntries(inherited), ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: a power failure ends what it started, too.
      detached: true,
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('exit', () => {
        this.#over = true;
      });
      this.#child.once('close', (code) => resolve({ code, stdout: this.stdout, stderr: this.stderr }));
    });
  }

  get isRunning(): boolean {
    return !this.#over;
  }

  /** Kills it with SIGKILL. @returns whether it was running */
  kill(): boolean {
    return !this.#over && this.#child.kill('SIGKILL');
  }

  /** Kills it and every process that it started, as a power failure does. @returns whether it was running */
  killGroup(): boolean {
    const { pid } = this.#child;
    if (pid === undefined || this.#over) return false;
    try {
      process.kill(-pid, 'SIGKILL');
      return true;
    } catch {
      // The group has ended meanwhile.
      return false;
    }
  }

  /** Asks it to stop and waits for the end. */
  async stop(): Promise<Ended> {
    if (!this.#over) this.#child.kill('SIGTERM');
    return await this.ended;
  }

  /** Waits for a line on standard output. @throws Error with all that it said when it ends before */
  async firstLine(): Promise<string> {
    while (!this.stdout.includes('\n')) {
      if (this.#over) {
        await this.ended;
        throw new Error(`it ended before it was ready:\n${this.stdout}${this.stderr}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return this.stdout.slice(0, this.stdout.indexOf('\n'));
  }
}
