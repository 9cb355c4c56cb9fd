import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { compileStore } from './compiled-store.ts';

/** A process in the middle of a write that never ends: the store has all of its bytes or is about to. */
export interface WritingProcess {
  /** Ends it at once, without a chance to clean up. */
  kill(): Promise<void>;
}

const program = `
const [path, name, argument] = process.argv.slice(1);
const { [name]: Store } = await import(path);
const store = new Store(JSON.parse(argument));
await store.open();
const source = async function* () {
  for (let count = 0; count < 12; count++) yield new Uint8Array(1024 * 1024).fill(count);
  console.log('writing');
  await new Promise(() => setInterval(() => undefined, 1000));
};
await store.write(source(), { digest: new Promise(() => undefined) });
`;

/**
 * Starts a process that writes 12 MiB to a store and then waits for more, at most until the test ends.
 * @param file of `src/blobs/`
 * @param argument of the store's constructor
 */
export async function startWriting(file: string, name: string, argument: unknown): Promise<WritingProcess> {
  const path = await compileStore(file);
  const child: ChildProcess = spawn(
    process.execPath,
    ['--input-type=module', '--eval', program, path, name, JSON.stringify(argument)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ended = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  onTestFinished(kill);
  await Promise.race([
    once(child.stdout ?? child, 'data'),
    ended.then(([code]) => {
      throw new Error(`the writing process ended with ${code}`);
    }),
  ]);
  return { kill };
}
