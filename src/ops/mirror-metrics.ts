import { Gauge, type Registry } from 'prom-client';

/** The state of a mirror, for its metrics. */
export interface MirrorSample {
  name: string;
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

/** Adds the metrics of mirrors. @returns a function that updates them; mirrors that are not enabled are omitted */
export function mirrorGauges(registry: Registry): (mirrors: MirrorSample[]) => void {
  const gauges = mirrorGaugeDefinitions.map(({ name, help, value }) => ({
    value,
    gauge: new Gauge({ name, help, labelNames: ['mirror'], registers: [registry] }),
  }));
  return (mirrors) => {
    for (const { gauge, value } of gauges) {
      gauge.reset();
      for (const mirror of mirrors.filter(({ enabled }) => enabled)) {
        const number = value(mirror);
        if (number !== undefined) gauge.set({ mirror: mirror.name }, number);
      }
    }
  };
}
