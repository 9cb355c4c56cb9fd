import { messageOf } from '../errors.ts';
import type { OnDemandHooks } from '../mirror/on-demand/on-demand-store.ts';

/** The part of a logger that is needed. */
interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Tells a log what is fetched because a client asked. */
export function onDemandHooks(log: Log): OnDemandHooks {
  return {
    onFetched({ mirror, path, size }, { received, seconds }) {
      log.info({ mirror, path, size, received, seconds }, 'fetched on demand');
    },
    onFailed({ mirror, path }, { error, wrong }) {
      const fields = { mirror, path, error: messageOf(error) };
      log.warn(fields, wrong ? 'the upstream sent wrong bytes' : 'could not be fetched on demand');
    },
    onEvicted(mirror, { blobs, bytes }) {
      log.info({ mirror, blobs, bytes }, 'dropped what was held on demand');
    },
    onError(error) {
      log.warn({ error: messageOf(error) }, 'fetching on demand: the catalog or the store failed');
    },
  };
}
