import { Gauge, Registry } from 'prom-client';

/** The state of a mirror, for its metrics. */
export interface MirrorSample {
  name: string;
  stream?: string;
  /** Of a site, which may have several. */
  streams?: string[];
  enabled: boolean;
  running: boolean;
  stale: boolean;
  lastSuccess?: Date;
  /** Seconds since then. */
  age?: number;
  /** Seconds since the newest date of the upstream's documents. */
  upstreamAge?: number;
  upstreamStale: boolean;
  nextRun?: Date;
  lastRun?: { report?: { added?: number; failures?: number; fetched?: number } };
}

const seconds = (date: Date | undefined) => (date === undefined ? undefined : date.getTime() / 1000);

/** The metrics of a mirror; undefined ones are omitted. */
const mirrorGaugeDefinitions: {
  name: string;
  help: string;
  value: (mirror: MirrorSample) => number | undefined;
}[] = [
  {
    name: 'headwater_mirror_last_success_timestamp_seconds',
    help: 'When the mirror last had everything that is selected.',
    value: ({ lastSuccess }) => seconds(lastSuccess),
  },
  {
    name: 'headwater_mirror_age_seconds',
    help: 'Time since the mirror last had everything that is selected.',
    value: ({ age }) => age,
  },
  {
    name: 'headwater_mirror_next_run_timestamp_seconds',
    help: 'Time of the next scheduled run.',
    value: ({ nextRun }) => seconds(nextRun),
  },
  {
    name: 'headwater_mirror_stale',
    help: 'Whether the mirror is older than its maxAge: 1 or 0.',
    value: ({ stale }) => Number(stale),
  },
  {
    name: 'headwater_mirror_upstream_age_seconds',
    help: "Time since the newest date of the upstream's documents, of a change or a signature.",
    value: ({ upstreamAge }) => upstreamAge,
  },
  {
    name: 'headwater_mirror_upstream_stale',
    help: "Whether the upstream's documents are older than upstreamMaxAge: 1 or 0.",
    value: ({ upstreamStale }) => Number(upstreamStale),
  },
  {
    name: 'headwater_mirror_running',
    help: 'Whether a run is active: 1 or 0.',
    value: ({ running }) => Number(running),
  },
  {
    name: 'headwater_mirror_last_run_added',
    help: 'Versions that the last run added.',
    value: ({ lastRun }) => lastRun?.report?.added,
  },
  {
    name: 'headwater_mirror_last_run_failed',
    help: 'Versions that failed in the last run.',
    value: ({ lastRun }) => lastRun?.report?.failures,
  },
  {
    name: 'headwater_mirror_last_run_fetched_bytes',
    help: 'Bytes that the last run fetched.',
    value: ({ lastRun }) => lastRun?.report?.fetched,
  },
];

/** The metrics of all mirrors together, which name none of them. */
const countDefinitions: { name: string; help: string; counts: (mirror: MirrorSample) => boolean }[] = [
  { name: 'headwater_mirrors', help: 'The mirrors that are enabled.', counts: () => true },
  {
    name: 'headwater_mirrors_stale',
    help: 'The mirrors that are older than their maxAge.',
    counts: ({ stale }) => stale,
  },
  {
    name: 'headwater_mirrors_upstream_stale',
    help: "The mirrors whose upstream's documents are older than upstreamMaxAge.",
    counts: ({ upstreamStale }) => upstreamStale,
  },
];

/**
 * The metrics of the enabled mirrors, as text.
 * @param mirrors undefined when their states could not be read: the numbers of mirrors are `NaN` then
 * @param mayName whether the reader may learn the names of mirrors of a stream; the others are only counted
 */
export async function mirrorMetrics(
  mirrors: readonly MirrorSample[] | undefined,
  mayName: (stream: string) => boolean,
): Promise<string> {
  // Readers with different rights may read at the same time.
  const registry = new Registry();
  const registers = [registry];
  const enabled = mirrors?.filter((mirror) => mirror.enabled);
  for (const { name, help, counts } of countDefinitions) {
    new Gauge({ name, help, registers }).set(enabled?.filter(counts).length ?? Number.NaN);
  }
  for (const { name, help, value } of mirrorGaugeDefinitions) {
    const gauge = new Gauge({ name, help, labelNames: ['mirror'], registers });
    for (const mirror of enabled ?? []) {
      const number = value(mirror);
      if (number !== undefined && streamsOf(mirror).every(mayName))
        gauge.set({ mirror: mirror.name }, number);
    }
  }
  return await registry.metrics();
}

function streamsOf({ stream, streams = [] }: MirrorSample): string[] {
  return stream === undefined ? streams : [stream, ...streams];
}
