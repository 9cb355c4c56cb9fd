import { realpathSync } from 'node:fs';
import { Semaphore } from '../../async/semaphore.ts';

/** By the path of the file. There are few: a process opens one catalog, tests some more. */
const turns = new Map<string, Semaphore>();

/**
 * The turns of the connections of this process that write a file. SQLite lets a connection wait for another one by blocking the
 * thread, so that a transaction of the same thread would never end.
 */
export function writingTurns(file: string): Semaphore {
  const path = realpathSync(file);
  const known = turns.get(path);
  if (known !== undefined) return known;
  const made = new Semaphore(1);
  turns.set(path, made);
  return made;
}

/** Does something in its turn. */
export async function inTurn<Result>(turns: Semaphore, work: () => Promise<Result>): Promise<Result> {
  const release = await turns.acquire();
  try {
    return await work();
  } finally {
    release();
  }
}
