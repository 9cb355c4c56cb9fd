import { HeadwaterError } from '../errors.ts';
import { signalExitCodes } from './exit-codes.ts';

type Signal = keyof typeof signalExitCodes;

/** How long work may take to stop by itself after a signal, in milliseconds. */
const patience = 3_000;

const controller = new AbortController();
let received: Signal | undefined;

/** Aborted at the first SIGINT or SIGTERM, once {@link stopOnSignals} was called. */
export const interruption: AbortSignal = controller.signal;

/**
 * Lets SIGINT and SIGTERM stop the work in hand, so that it cleans up behind itself. When it has not stopped after
 * a while, or at a second signal, the process ends at once: what it leaves is cleaned up at the next start.
 */
export function stopOnSignals(): void {
  for (const signal of Object.keys(signalExitCodes) as Signal[]) {
    process.on(signal, () => {
      if (received !== undefined) process.exit(signalExitCodes[signal]);
      received = signal;
      controller.abort();
      setTimeout(() => process.exit(signalExitCodes[signal]), patience).unref();
    });
  }
}

/** Called between pieces of work. @throws HeadwaterError `aborted` after a signal */
export function throwIfInterrupted(): void {
  if (interruption.aborted) throw new HeadwaterError('aborted', 'interrupted: nothing more was published');
}

/** The exit code that a signal asks for, if there was one. */
export function interruptionExitCode(): number | undefined {
  return received === undefined ? undefined : signalExitCodes[received];
}
