import { spawn } from 'node:child_process';

export interface CommandOptions {
  cwd?: string;
  /** Beside the environment of the tests. */
  env?: Record<string, string>;
  /** Milliseconds; five minutes when left out. */
  timeout?: number;
}

export interface CommandResult {
  /** The exit code; null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end, whatever that is; killed, and an error, when it takes too long. */
export async function attempt(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const timeout = options.timeout ?? 300_000;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
    });
  }
  return await new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(
        new Error(
          `${program} ${args.join(' ')} took more than ${timeout} ms\n${output.stdout}${output.stderr}`,
        ),
      );
    }, timeout);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, ...output });
    });
  });
}

/**
 * Runs a program that must succeed and gives what it printed.
 * @throws Error with everything it said, on any other exit code than 0
 */
export async function run(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const result = await attempt(program, args, options);
  if (result.code !== 0) {
    const end = result.signal ?? `exit code ${result.code}`;
    throw new Error(`${program} ${args.join(' ')}: ${end}\n${result.stdout}${result.stderr}`);
  }
  return result.stdout;
}
