import cliProgress, { type MultiBar, type SingleBar } from 'cli-progress';
import type { Plan } from '../../mirror/plan/plan.ts';
import type { Progress } from '../../publish/request.ts';
import { humanDuration, humanSize } from './human.ts';

/** Over how many milliseconds the rate is measured. */
const rateWindow = 10_000;
/** How often bars are drawn at most, and from how many bytes on a file has a bar. */
const framesPerSecond = 8;
const minSize = 1024 * 1024;

/** Shows the progress of a run, in total and for each file, on stderr, which must be a terminal. */
export class MirrorProgress {
  readonly #files = new Map<string, { bar: SingleBar | undefined; done: number }>();
  readonly #samples: { time: number; done: number }[] = [];
  #bars: MultiBar | undefined;
  #total: SingleBar | undefined;
  #done = 0;
  #size = 0;

  /** To be called with the plan. */
  readonly onPlan = (plan: Plan): void => {
    if (plan.fetch === 0) return;
    this.#size = plan.fetch;
    this.#bars = new cliProgress.MultiBar({
      format: (options, params, payload) =>
        [
          String(payload.name).padEnd(44).slice(-44),
          `[${cliProgress.Format.BarFormat(params.progress, options)}]`,
          `${Math.floor(params.progress * 100)}%`.padStart(4),
          `${humanSize(params.value)} of ${humanSize(params.total)}${payload.pace}`,
        ].join('  '),
      stream: process.stderr,
      barsize: 24,
      barCompleteChar: '=',
      barIncompleteChar: ' ',
      fps: framesPerSecond,
      hideCursor: true,
      clearOnComplete: true,
      stopOnComplete: false,
      // Signals are the business of interruption.ts.
      gracefulExit: false,
    });
    this.#total = this.#bars.create(plan.fetch, 0, { name: 'total', pace: '' });
  };

  /** To be called when bytes arrive. */
  readonly report: Progress = ({ file, done, total }) => {
    if (this.#bars === undefined || total === undefined) return;
    const known = this.#files.get(file);
    const entry = known ?? {
      bar: total < minSize ? undefined : this.#bars.create(total, 0, { name: file, pace: '' }),
      done: 0,
    };
    if (known === undefined) this.#files.set(file, entry);
    this.#done += done - entry.done;
    entry.done = done;
    entry.bar?.update(done);
    if (done >= total) {
      if (entry.bar !== undefined) this.#bars.remove(entry.bar);
      this.#files.delete(file);
    }
    this.#total?.update(Math.min(this.#done, this.#size), { name: 'total', pace: this.#pace() });
  };

  /** Removes the bars from the terminal. */
  close(): void {
    this.#bars?.stop();
    this.#bars = undefined;
  }

  #pace(): string {
    const now = Date.now();
    this.#samples.push({ time: now, done: this.#done });
    while ((this.#samples[1]?.time ?? now) < now - rateWindow) this.#samples.shift();
    const first = this.#samples[0];
    if (first === undefined || first.time === now) return '';
    const rate = ((this.#done - first.done) * 1000) / (now - first.time);
    return `  ${humanSize(Math.round(rate))}/s  ${humanDuration((this.#size - this.#done) / rate)} left`;
  }
}
