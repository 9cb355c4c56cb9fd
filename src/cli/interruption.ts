import { HeadwaterError } from '../errors.ts';
import { keysOf } from '../model/keys-of.ts';
import { signalExitCodes } from './exit-codes.ts';

type Signal = keyof typeof signalExitCodes;

/** The longest time for work to stop after a signal, in milliseconds. */
const stopTimeout = 3_000;

const controller = new AbortController();
let received: Signal | undefined;

/** Aborted at the first SIGINT or SIGTERM after {@link stopOnSignals} was called. */
export const interruption: AbortSignal = controller.signal;

/**
 * Lets SIGINT and SIGTERM stop the current work, which then cleans up. If it has not stopped in time, or at a second
 * signal, the process ends at once, and the next start cleans up.
 */
export function stopOnSignals(): void {
  for (const signal of keysOf(signalExitCodes)) {
    process.on(signal, () => {
      if (received !== undefined) process.exit(signalExitCodes[signal]);
      received = signal;
      controller.abort();
      setTimeout(() => process.exit(signalExitCodes[signal]), stopTimeout).unref();
    });
  }
}

/** To be called between steps of work. @throws HeadwaterError `aborted` after a signal */
export function throwIfInterrupted(): void {
  if (interruption.aborted) throw new HeadwaterError('aborted', 'interrupted; nothing more was published');
}

/** The exit code for the received signal, if any. */
export function interruptionExitCode(): number | undefined {
  return received === undefined ? undefined : signalExitCodes[received];
}
