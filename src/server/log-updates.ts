import { messageOf } from '../errors.ts';
import type { UpdateHooks } from '../registry/incoming/auto-updates.ts';

/** The part of a logger that is needed. */
interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Tells a log how images are kept up to date. */
export function updateHooks(log: Log): UpdateHooks {
  return {
    onUpdated(image) {
      log.info(image, 'an image was brought up to date');
    },
    onFailed(what, error) {
      log.warn({ ...what, error: messageOf(error) }, 'not kept up to date; the next round tries again');
    },
  };
}
