import { messageOf } from '../errors.ts';
import type { OnDemandHooks } from '../mirror/on-demand/on-demand-store.ts';
import { describeOrphan } from '../mirror/run/orphans.ts';
import type { MirrorHooks } from '../mirror/service.ts';
import { Condition } from '../ops/condition.ts';
import type { Logger } from '../ops/log.ts';
import type { ScrubHooks } from '../ops/scrub/scrub.ts';
import type { GeneratorHooks } from '../publish/generated/generator.ts';
import type { UpdateHooks } from '../registry/incoming/auto-updates.ts';

/** The part of a logger that is needed. */
interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Logs mirror runs. @param mirrorDir the directory of their definitions */
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
        log.warn({ mirror, aliases: aliases.withheld }, 'aliases of other owners were left out');
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

const fetchFailures = {
  failed: 'could not be fetched on demand',
  wrong: 'the upstream sent wrong bytes',
  refused: 'an image that was fetched on demand is refused',
};

/** Logs what is downloaded from upstreams because a client asked for it. */
export function onDemandHooks(log: Log): OnDemandHooks {
  return {
    onFetched({ mirror, path, size }, { received, seconds }) {
      log.info({ mirror, path, size, received, seconds }, 'fetched on demand');
    },
    onFailed({ mirror, path }, { kind, error }) {
      log.warn({ mirror, path, error: messageOf(error) }, fetchFailures[kind]);
    },
    onEvicted(mirror, { blobs, bytes }) {
      log.info({ mirror, blobs, bytes }, 'files that were fetched on demand were deleted');
    },
    onError(error) {
      log.warn({ error: messageOf(error) }, 'fetching on demand: the catalog or the store failed');
    },
  };
}

/** Logs the files that are made for LXC. */
export function generatorHooks(log: Log): GeneratorHooks {
  return {
    onMade(file) {
      log.info(file, 'a file was generated');
    },
    onFailed(file, error) {
      log.warn(
        { ...file, error: messageOf(error) },
        'a file could not be generated; it is tried again in an hour',
      );
    },
    onError(error) {
      log.warn({ error: messageOf(error) }, 'files cannot be generated; the next attempt follows soon');
    },
  };
}

/** Logs the updates of images with auto-update. */
export function updateHooks(log: Log): UpdateHooks {
  return {
    onUpdated(image) {
      log.info(image, 'an image was updated');
    },
    onFailed(what, error) {
      log.warn(
        { ...what, error: messageOf(error) },
        'an image could not be updated; the next round tries again',
      );
    },
  };
}

/** Logs what scrubs of the blob store find. */
export function scrubHooks(log: Logger): ScrubHooks {
  const stopped = new Condition(log, {
    level: 'warn',
    begins: 'the scrub of the blob store cannot continue; the server tries again every minute',
    ends: 'the scrub of the blob store continues',
  });
  return {
    onLost({ digest, size, state, problem, versions }) {
      const named = versions.slice(0, 5).map(({ product, serial }) => `${product}@${serial}`);
      const message =
        state === 'damaged'
          ? 'a blob is damaged and was set aside: requests for it get 503'
          : 'a blob is missing in the store';
      log.error({ digest, size, problem, versions: named, inVersions: versions.length }, message);
    },
    onWrongFingerprint({ stream, product, serial, claimed, computed }) {
      log.warn(
        { stream, product, serial, claimed, computed },
        'an image was listed under a wrong fingerprint, which is corrected',
      );
    },
    onFinished({ startedAt, blobs, bytes, damaged, missing, fingerprints }) {
      log.info({ startedAt, blobs, bytes, damaged, missing, fingerprints }, 'the blob store was scrubbed');
    },
    onProblem: (problem) => stopped.set(problem),
  };
}
