import { messageOf } from '../errors.ts';
import { describeOrphan } from '../mirror/run/orphans.ts';
import type { MirrorHooks } from '../mirror/service.ts';

/** The part of a logger that is needed. */
interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Logs what mirrors do. @param mirrorDir where their definitions are */
export function mirrorHooks(log: Log, mirrorDir: string): MirrorHooks {
  return {
    onFinished({ mirror, outcome, startedAt, finishedAt, report, error }, cause) {
      const { added, retired, failures, fetched, failed, aliases, warnings } = report;
      const seconds = (finishedAt.getTime() - startedAt.getTime()) / 1000;
      const fields = { mirror, outcome, cause, added, retired, failures, fetched, seconds };
      if (error !== undefined)
        log.warn({ ...fields, error: messageOf(error) }, 'the mirror could not be run');
      else if (outcome === 'partial')
        log.warn({ ...fields, failed: failed.slice(0, 5), warnings }, 'the mirror is not complete');
      else log.info({ ...fields, ...(warnings.length === 0 ? {} : { warnings }) }, 'the mirror was run');
      if (aliases.withheld.length > 0) {
        log.warn({ mirror, aliases: aliases.withheld }, 'aliases that others own were left out');
      }
    },
    onOrphaned(orphan) {
      log.warn({ ...orphan, mirrorDir }, describeOrphan(orphan, mirrorDir));
    },
    onNotStarted(mirror, error) {
      log.warn({ mirror, error: messageOf(error) }, 'the mirror was not run');
    },
  };
}
