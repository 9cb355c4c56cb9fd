import { defined } from '../../../model/defined.ts';
import { throwIfInterrupted } from '../../interruption.ts';
import { ProgressBar } from '../../view/progress-bar.ts';

/** Shows the progress of a bundle on a terminal, and lets a signal interrupt it. */
export async function withProgress<Result>(
  name: string,
  work: (onBytes: (count: number) => void, onSize: (total: number) => void) => Promise<Result>,
): Promise<Result> {
  const bar = new ProgressBar();
  let done = 0;
  let total: number | undefined;
  try {
    return await work(
      (count) => {
        throwIfInterrupted();
        done += count;
        bar.report({ file: name, done, ...defined({ total }) });
      },
      (size) => {
        total = size;
      },
    );
  } finally {
    bar.close();
  }
}
