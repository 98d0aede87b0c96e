import { FlowMetrics } from '../flow/flow-metrics.ts';
import { serveHttp, type HttpRoute } from '../lib/http-server.ts';
import type { Logger } from '../lib/logger.ts';

/** KisFlow's route. */
const route = '/metrics';
const defaultServe = '127.0.0.1:20004';

export interface MetricsServer {
  /** `http://host:port/metrics`, with the port that was really taken. */
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** What the global document says about metrics. */
export interface MetricsOptions {
  /** prometheus_enable: runs are counted. */
  readonly isEnabled: boolean;
  /** prometheus_listen: the figures are served too. */
  readonly isServed: boolean;
  readonly serve?: string | undefined;
  readonly logger?: Logger | undefined;
}

export interface OpenMetrics {
  /** Undefined: nothing is counted. */
  readonly metrics: FlowMetrics | undefined;
  /** Where they are served; undefined: nowhere. */
  readonly url: string | undefined;
  readonly close: () => Promise<void>;
}

/** Counts and serves as far as it is wished. */
export async function openMetrics(options: MetricsOptions): Promise<OpenMetrics> {
  if (!options.isEnabled) return { metrics: undefined, url: undefined, close: async () => {} };
  const metrics = new FlowMetrics();
  const server = options.isServed ? await serveMetrics(metrics, options) : undefined;
  return { metrics, url: server?.url, close: async () => server?.close() };
}

/** What Prometheus reads. */
export function metricsRoute(metrics: FlowMetrics): HttpRoute {
  return { path: route, answer: async () => ({ status: 200, type: metrics.contentType, body: await metrics.text() }) };
}

/** Serves the figures at `http://<serve>/metrics` (see serveHttp). */
export async function serveMetrics(
  metrics: FlowMetrics,
  { serve = defaultServe, logger }: { readonly serve?: string | undefined; readonly logger?: Logger | undefined },
): Promise<MetricsServer> {
  const server = await serveHttp({ listen: serve, key: 'prometheus_serve', routes: [metricsRoute(metrics)], logger });
  const url = `${server.url}${route}`;
  logger?.info({ url }, 'metrics are served');
  return { url, close: server.close };
}
