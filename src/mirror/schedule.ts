import cron, { type ScheduledTask } from 'node-cron';
import type { MirrorDefinition } from '../config/mirror-schema.ts';

/** Whether a text is a schedule: five fields of cron, or six with seconds in front. */
export function isSchedule(text: string): boolean {
  return cron.validate(text);
}

/** Calls a function at the times of a definition's schedule. */
export class Schedule {
  readonly #task: ScheduledTask;

  /** @param onTime called at each time plus a random part of `jitter`, unless it still runs */
  constructor(definition: MirrorDefinition & { schedule: string }, onTime: () => Promise<void>) {
    this.#task = cron.schedule(definition.schedule, onTime, {
      timezone: definition.timezone,
      name: definition.name,
      noOverlap: true,
      maxRandomDelay: definition.jitter,
      suppressMissedWarning: true,
      unref: true,
    });
  }

  /** The next time, without the jitter. */
  next(): Date | undefined {
    return this.#task.getNextRun() ?? undefined;
  }

  async stop(): Promise<void> {
    await this.#task.destroy();
  }
}
