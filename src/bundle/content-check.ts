import { type ChildProcess, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { Semaphore } from '../async/semaphore.ts';
import { codeOf, HeadwaterError, messageOf } from '../errors.ts';

/** The part of an argument that is replaced by the path of the file. */
const placeholder = '{file}';
/** The largest part of the output that is kept, in characters. */
const maxOutputLength = 4000;
/** The default time limit for one file, in milliseconds. */
const defaultTimeout = 10 * 60_000;

/** What a command said of a file. */
export interface CheckVerdict {
  isGood: boolean;
  /** How the command ended. */
  end: string;
  /** The beginning of its output and its messages. */
  output: string;
}

/** Has files checked by a program, such as a virus scanner, before their content is published. */
export class ContentCheck {
  readonly #command: readonly string[];
  readonly #timeout: number;
  readonly #places: Semaphore;

  /**
   * @param command the program and its arguments, in which `{file}` is the path of the file. No shell reads them
   * @param options.timeout milliseconds for one file
   * @param options.places how many files are checked at a time: as many as there are cores by default
   */
  constructor(
    command: readonly string[],
    { timeout = defaultTimeout, places = availableParallelism() }: { timeout?: number; places?: number } = {},
  ) {
    if (!command.slice(1).some((word) => word.includes(placeholder))) {
      throw new Error(`a check without ${placeholder}`);
    }
    this.#command = command;
    this.#timeout = timeout;
    this.#places = new Semaphore(places);
  }

  /**
   * Checks a file. It is good only if the program ends with the exit code 0 in time.
   * @param file an absolute path
   * @throws HeadwaterError `unavailable` if the program cannot be started: this says nothing about the file
   */
  async check(file: string): Promise<CheckVerdict> {
    const leave = await this.#places.acquire();
    try {
      return await this.#run(file);
    } finally {
      leave();
    }
  }

  async #run(file: string): Promise<CheckVerdict> {
    const [program = '', ...words] = this.#command;
    const child = spawn(
      program,
      words.map((word) => word.replaceAll(placeholder, file)),
      // A group of its own: the processes that the program started end with it.
      { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env: environment() },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        if (output.length < maxOutputLength) output = (output + chunk).slice(0, maxOutputLength);
      });
    }
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      endGroup(child);
    }, this.#timeout);
    try {
      const end = await new Promise<string | number>((resolve, reject) => {
        child.once('error', reject);
        child.once('exit', () => endGroup(child));
        child.once('close', (code, signal) => resolve(code ?? signal ?? 'no exit code'));
      });
      if (isLate) return { isGood: false, end: `no result after ${this.#timeout / 1000} s`, output };
      const isGood = end === 0;
      return { isGood, end: typeof end === 'number' ? `exit code ${end}` : `ended by ${end}`, output };
    } catch (error) {
      throw new HeadwaterError('unavailable', `check (${program}): cannot be started: ${messageOf(error)}`, {
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Ends a program with all processes that it started. */
function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // ESRCH: all of them have ended.
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

/** The environment of this process without the settings of Headwater: they may contain credentials. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEADWATER_')));
}
