import { exitCodeOf } from './exit-codes.ts';
import { reportError } from './view/output.ts';

/**
 * Waits for the work of a process, and reports an error if the process ends before the work: Node.js exits with 0 when
 * nothing can wake it, even while a promise is pending that nothing will settle.
 * @param options.json whether errors are also reported as JSON
 */
export async function untilSettled<Result>(
  work: Promise<Result>,
  options: { json: boolean },
): Promise<Result> {
  const onIdle = () => {
    const error = new Error('the command stopped before its work was finished');
    reportError(error, options);
    process.exitCode = exitCodeOf(error);
  };
  process.once('beforeExit', onIdle);
  try {
    return await work;
  } finally {
    process.off('beforeExit', onIdle);
  }
}
