import type { Logger } from './log.ts';

/** The log messages of a condition. */
export interface ConditionTexts {
  level: 'error' | 'warn';
  /** Logged with the reason, when it begins. */
  begins: string;
  /** Logged when it ends. */
  ends: string;
}

/** Something that is wrong for a while, such as a store that cannot be written: the log says when it begins and when it ends. */
export class Condition {
  readonly #log: Logger;
  readonly #texts: ConditionTexts;
  #reason: string | undefined;

  constructor(log: Logger, texts: ConditionTexts) {
    this.#log = log;
    this.#texts = texts;
  }

  /** Its reason; undefined when it does not hold. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** @param reason undefined when all is well */
  set(reason: string | undefined): void {
    const { level, begins, ends } = this.#texts;
    if (reason !== undefined && this.#reason === undefined) this.#log[level]({ reason }, begins);
    if (reason === undefined && this.#reason !== undefined) this.#log.info(ends);
    this.#reason = reason;
  }
}
