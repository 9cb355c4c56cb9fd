import type { Actor } from '../../catalog/database/audit-record.ts';
import type { Progress } from '../../publish/request.ts';
import type { Plan } from '../plan/plan.ts';
import type { DownloaderOptions } from '../upstream/downloader.ts';

/** Why a mirror runs. */
export type Cause = 'schedule' | 'catch-up' | 'manual';

export interface RunOptions {
  cause: Cause;
  /** Read all documents again, ignore `maxShrink`, and accept older documents of the main address. */
  force?: boolean;
  /** Who asked for the run: the audit log names them for what `force` accepted. */
  requestedBy?: Actor;
  signal?: AbortSignal;
  /** Called with the plan before it is carried out. */
  onPlan?: (plan: Plan) => void;
  progress?: Progress;
  /** Called with the reason when a request is repeated. */
  onRetry?: (reason: string) => void;
  times?: RunTimes;
}

/** How long a run waits; tests shorten it. */
interface RunTimes extends Pick<DownloaderOptions, 'idle' | 'backoff'> {
  /** Milliseconds between renewals of the lease. */
  renewInterval?: number;
}
