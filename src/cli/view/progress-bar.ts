import cliProgress, { type SingleBar } from 'cli-progress';
import type { Progress } from '../../publish/request.ts';
import { throwIfInterrupted } from '../interruption.ts';
import { humanDuration, humanSize } from './human.ts';

/** The time over which the rate is measured, in milliseconds. */
const rateWindow = 5_000;

/** Smaller files, in bytes, finish before anyone could read the bar. */
const minSize = 4 * 1024 * 1024;

interface Sample {
  time: number;
  done: number;
}

/** Shows the progress of the current file, on stderr and only on a terminal. */
export class ProgressBar {
  readonly #visible = process.stderr.isTTY === true;
  #bar: SingleBar | undefined;
  #file: string | undefined;
  #samples: Sample[] = [];

  /** Receives progress from code that reads files, and lets a signal interrupt it. */
  readonly report: Progress = ({ file, done, total }) => {
    throwIfInterrupted();
    if (!this.#visible || total === undefined || total < minSize) return;
    if (file !== this.#file) this.#start(file, total);
    const now = Date.now();
    this.#samples.push({ time: now, done });
    while ((this.#samples[1]?.time ?? now) < now - rateWindow) this.#samples.shift();
    const first = this.#samples[0] ?? { time: now, done };
    const rate = now === first.time ? undefined : ((done - first.done) * 1000) / (now - first.time);
    this.#bar?.update(done, {
      done: humanSize(done),
      total: humanSize(total),
      pace:
        rate === undefined
          ? ''
          : `  ${humanSize(Math.round(rate))}/s  ${humanDuration((total - done) / rate)} left`,
    });
  };

  /** Removes the bar from the terminal. */
  close(): void {
    this.#bar?.stop();
    this.#bar = undefined;
    this.#file = undefined;
  }

  #start(file: string, total: number): void {
    this.close();
    this.#file = file;
    this.#samples = [];
    this.#bar = new cliProgress.SingleBar({
      format: (options, params, payload) =>
        [
          file,
          `[${cliProgress.Format.BarFormat(params.progress, options)}]`,
          `${Math.floor(params.progress * 100)}%`,
          `${payload.done} of ${payload.total}${payload.pace}`,
        ].join('  '),
      stream: process.stderr,
      barsize: 24,
      barCompleteChar: '=',
      barIncompleteChar: ' ',
      hideCursor: true,
      clearOnComplete: true,
      stopOnComplete: false,
      // interruption.ts handles signals.
      gracefulExit: false,
    });
    this.#bar.start(total, 0, { done: humanSize(0), total: humanSize(total), pace: '' });
  }
}
