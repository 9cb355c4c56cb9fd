import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { messageOf } from '../errors.ts';
import { type MirrorSample, mirrorMetrics } from './mirror-metrics.ts';

/** The facts about a request, for metrics. */
export interface RequestSample {
  /** Which of the server's surfaces answered: `documents`, `images`, `api`, `registry`, `oci`, `other`. */
  surface: string;
  method: string;
  status: number;
  /** Bytes of the body. */
  bytes: number;
  seconds: number;
}

const methods = new Set(['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS']);

/** The metrics of requests. */
interface Series {
  requests: Counter.Internal;
  bytes: Counter.Internal;
  durations: Histogram.Internal<string>;
}

/** The server's metrics, for Prometheus. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #series = new Map<string, Series>();
  readonly #requests: Counter;
  readonly #bytes: Counter;
  readonly #durations: Histogram;
  readonly #storeErrors: Counter;
  readonly #rendering: Histogram;
  readonly #refused: Counter;
  #readCatalog = (): Promise<MirrorSample[] | undefined> => Promise.resolve(undefined);

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#requests = new Counter({
      name: 'headwater_http_requests_total',
      help: 'Requests answered.',
      labelNames: ['surface', 'method', 'status'],
      registers,
    });
    this.#bytes = new Counter({
      name: 'headwater_http_response_bytes_total',
      help: 'Bytes of bodies sent.',
      labelNames: ['surface'],
      registers,
    });
    this.#durations = new Histogram({
      name: 'headwater_http_request_duration_seconds',
      help: 'Time from a request to the end of its response.',
      labelNames: ['surface'],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600],
      registers,
    });
    this.#storeErrors = new Counter({
      name: 'headwater_store_errors_total',
      help: 'Calls of the blob store that failed.',
      labelNames: ['operation', 'kind'],
      registers,
    });
    this.#rendering = new Histogram({
      name: 'headwater_documents_render_seconds',
      help: 'Time to update the documents after a change.',
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
      registers,
    });
    this.#refused = new Counter({
      name: 'headwater_refused_total',
      help: 'Connections and requests that a limit refused or ended.',
      labelNames: ['limit'],
      registers,
    });
  }

  /**
   * Adds the size of the catalog and the states of the mirrors.
   * @param sources queried when the metrics are read; failed ones are `NaN`
   * @param sources.onRead called with the reason when the sources could not be read; undefined when they could
   */
  watchCatalog(sources: {
    catalogSize: () => Promise<{ products: number; versions: number; blobs: number; bytes: number }>;
    mirrors: () => Promise<MirrorSample[]>;
    onRead: (problem: string | undefined) => void;
  }): void {
    const gauges = (['products', 'versions', 'blobs', 'bytes'] as const).map((what) => ({
      what,
      gauge: new Gauge({
        name: `headwater_catalog_${what}`,
        help: what === 'bytes' ? 'Bytes of all blobs in the catalog.' : `The ${what} in the catalog.`,
        registers: [],
      }),
    }));
    for (const { gauge } of gauges) this.#registry.registerMetric(gauge);
    this.#readCatalog = async () => {
      let size: Record<(typeof gauges)[number]['what'], number> | undefined;
      let mirrors: MirrorSample[] | undefined;
      try {
        size = await sources.catalogSize();
        mirrors = await sources.mirrors();
        sources.onRead(undefined);
      } catch (error) {
        // The other metrics are needed most in this state.
        sources.onRead(messageOf(error));
      }
      for (const { what, gauge } of gauges) gauge.set(size?.[what] ?? Number.NaN);
      return mirrors;
    };
  }

  /** Adds a gauge that is computed when the metrics are read. */
  watch(name: string, help: string, read: () => number): void {
    const gauge = new Gauge({
      name,
      help,
      registers: [],
      collect() {
        this.set(read());
      },
    });
    this.#registry.registerMetric(gauge);
  }

  observeRequest({ surface, method, status, bytes, seconds }: RequestSample): void {
    const key = `${surface} ${method} ${status}`;
    const series = this.#series.get(key) ?? this.#addSeries(key, surface, method, status);
    series.requests.inc();
    if (bytes > 0) series.bytes.inc(bytes);
    series.durations.observe(seconds);
  }

  /** Looking a series up by its labels costs more than answering a small request does. */
  #addSeries(key: string, surface: string, method: string, status: number): Series {
    // A client chooses the method's name; a label must not take any text.
    const known = methods.has(method);
    const series = {
      requests: this.#requests.labels({ surface, method: known ? method : 'other', status }),
      bytes: this.#bytes.labels({ surface }),
      durations: this.#durations.labels({ surface }),
    };
    if (known) this.#series.set(key, series);
    return series;
  }

  observeStoreError(operation: string, kind: string): void {
    this.#storeErrors.inc({ operation, kind });
  }

  /** @param limit one of a few names */
  observeRefusal(limit: string): void {
    this.#refused.inc({ limit });
  }

  observeRendering(seconds: number): void {
    this.#rendering.observe(seconds);
  }

  /**
   * All of them, as text (https://prometheus.io/docs/instrumenting/exposition_formats/).
   * @param mayName whether the reader may learn the names of mirrors of a stream
   */
  async text(mayName: (stream: string) => boolean): Promise<{ type: string; body: string }> {
    const mirrors = await this.#readCatalog();
    const body = (await this.#registry.metrics()) + (await mirrorMetrics(mirrors, mayName));
    return { type: this.#registry.contentType, body };
  }
}
