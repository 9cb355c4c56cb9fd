import type { RunRecord } from '../catalog/mirrors/mirror-run-rows.ts';
import type { Mirrors } from '../catalog/mirrors/mirrors.ts';
import type { MirrorDefinition } from '../config/mirror-schema.ts';
import { isAbandoned } from '../files/process-name.ts';
import { defined } from '../model/defined.ts';
import { acceptedDocuments } from './guard/accepted-documents.ts';
import { type UpstreamAge, upstreamAge } from './guard/upstream-age.ts';
import type { Waiting } from './site/waiting.ts';

/** The state of a mirror. */
export interface MirrorStatus extends UpstreamAge {
  name: string;
  /** The address of the upstream. */
  url?: string;
  /** Instead of `url`: the site that writes the bundles. */
  site?: string;
  enabled: boolean;
  /** Whether its documents must be signed. */
  signed: boolean;
  mode: MirrorDefinition['mode'] | 'bundles';
  /** Absent for a site. */
  stream?: string;
  /** Of a site: the streams of its products. */
  streams?: string[];
  schedule?: string;
  timezone?: string;
  /** Set while a server runs that will run it. */
  nextRun?: Date;
  running: boolean;
  lastRun?: RunRecord;
  /** The start of the last run after which all selected versions were held. */
  lastSuccess?: Date;
  /** Seconds since then. */
  age?: number;
  /** Seconds after which it is stale. */
  maxAge?: number;
  /** Whether it is enabled and older than `maxAge`; before the first success, since its first run. */
  stale: boolean;
  /** Of a site: the newest bundle, whose state the mirror follows. */
  bundle?: { to: string; sequence: number; identity: string; created: Date; signedBy?: string };
  /** Of a site: what versions wait for. */
  waiting?: Waiting;
}

/** Computes the state of a mirror from the records of its runs, in whichever process they were. */
export async function mirrorStatus(
  definition: MirrorDefinition,
  mirrors: Mirrors,
  now = new Date(),
): Promise<MirrorStatus> {
  const { name, url, enabled, mode, stream, schedule, timezone, maxAge } = definition;
  const { running, lastRun } = await lastRunOf(name, mirrors, now);
  const lastSuccess = (await mirrors.lastSuccess(name))?.startedAt;
  // Without a success, the age counts from the first run; a mirror that never ran is not stale.
  const freshSince = lastSuccess ?? (await mirrors.firstRun(name));
  const nextRun = enabled && schedule !== undefined ? await mirrors.nextRun(name) : undefined;
  const accepted = await mirrors.accepted(name, acceptedDocuments);
  const age = lastSuccess === undefined ? undefined : now.getTime() - lastSuccess.getTime();
  return {
    name,
    url,
    enabled,
    signed: definition.keyring !== undefined,
    mode,
    stream,
    ...(schedule === undefined ? {} : { schedule, timezone }),
    ...defined({ nextRun }),
    running,
    ...defined({ lastRun, lastSuccess }),
    ...(age === undefined ? {} : { age: Math.round(age / 1000) }),
    ...(maxAge === undefined ? {} : { maxAge: Math.round(maxAge / 1000) }),
    stale:
      enabled &&
      maxAge !== undefined &&
      freshSince !== undefined &&
      now.getTime() - freshSince.getTime() > maxAge,
    ...upstreamAge(definition, accepted, now),
  };
}

/** The last run of a mirror, and whether it is active. */
export async function lastRunOf(
  name: string,
  mirrors: Mirrors,
  now: Date,
): Promise<{ running: boolean; lastRun: RunRecord | undefined }> {
  const running = await isRunning(name, mirrors, now);
  const [recorded] = await mirrors.runs(name, 1);
  // The next run records that; until then it is concluded here.
  const wasKilled = recorded !== undefined && recorded.finishedAt === undefined && !running;
  return { running, lastRun: wasKilled ? { ...recorded, outcome: 'interrupted' as const } : recorded };
}

/** Whether a process has the lease, and is not known to have ended. */
async function isRunning(name: string, mirrors: Mirrors, now: Date): Promise<boolean> {
  const lease = await mirrors.lease(name);
  return lease !== undefined && lease.expiresAt > now && !(await isAbandoned(lease.holder, now));
}
