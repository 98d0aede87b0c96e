import type { GlobalSpec } from '../../config/spec.ts';
import { healthRoutes } from '../../console/health.ts';
import type { DaemonView } from '../../daemon/daemon-view.ts';
import { metricsRoute } from '../../daemon/metrics.ts';
import type { FlowMetrics } from '../../flow/flow-metrics.ts';
import { serveHttp } from '../../lib/http-server.ts';
import type { Logger } from '../../lib/logger.ts';
import { packageVersion } from './package-version.ts';

export interface HealthServer {
  /** The daemon runs: it is what is told of from now on. */
  readonly watch: (daemon: DaemonView) => void;
  readonly close: () => Promise<void>;
}

export interface ServeHealthOptions {
  /** What the global document says; undefined: nothing is served. */
  readonly http: GlobalSpec['http'];
  readonly metrics: FlowMetrics | undefined;
  readonly logger: Logger;
}

/** Serves health, and the figures where they are counted, at `http.listen`. */
export async function serveHealth({ http, metrics, logger }: ServeHealthOptions): Promise<HealthServer> {
  let daemon: DaemonView | undefined;
  const watch = (view: DaemonView): void => void (daemon = view);
  if (http === undefined) return { watch, close: async () => {} };
  const health = healthRoutes({ version: packageVersion(), freshMsMax: http.fresh_within * 1000, daemon: () => daemon });
  const routes = metrics === undefined ? health : [...health, metricsRoute(metrics)];
  const server = await serveHttp({ listen: http.listen, key: 'http.listen', routes, logger });
  logger.info({ url: server.url, paths: routes.map(({ path }) => path) }, 'health is served');
  return { watch, close: server.close };
}
