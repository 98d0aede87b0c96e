import { apiHandler } from '../../console/api/api-handler.ts';
import { ApiStore } from '../../console/api/api-store.ts';
import { allOperations } from '../../console/api/operations.ts';
import { healthRoutes } from '../../console/health.ts';
import type { ReadKnown } from '../../daemon/build-assembly.ts';
import type { DaemonView } from '../../daemon/daemon-view.ts';
import { metricsRoute } from '../../daemon/metrics.ts';
import type { LoadedProject } from '../../daemon/project-files.ts';
import type { FlowMetrics } from '../../flow/flow-metrics.ts';
import { parseListen, serveHttp } from '../../lib/http-server.ts';
import type { Logger } from '../../lib/logger.ts';
import { requireStoreUrl } from '../project.ts';
import { packageVersion } from './package-version.ts';

export interface DaemonServer {
  /** The daemon runs: it is what is told of from now on. */
  readonly watch: (daemon: DaemonView) => void;
  /** What runs is another version of the project. */
  readonly follow: (project: LoadedProject) => void;
  readonly close: () => Promise<void>;
}

export interface ServeDaemonOptions {
  /** False: nothing is served, whatever the configuration says. */
  readonly isServed: boolean;
  readonly project: LoadedProject;
  readonly readKnown: ReadKnown;
  readonly metrics: FlowMetrics | undefined;
  readonly logger: Logger;
}

/** Serves health, the HTTP API, and the figures where they are counted, at `http.listen`. */
export async function serveDaemon(options: ServeDaemonOptions): Promise<DaemonServer> {
  const { isServed, metrics, readKnown, logger } = options;
  let { project } = options;
  let daemon: DaemonView | undefined;
  const watch = (view: DaemonView): void => void (daemon = view);
  const follow = (next: LoadedProject): void => void (project = next);
  const { configuration } = project;
  const { http } = configuration.global;
  if (!isServed || http === undefined) return { watch, follow, close: async () => {} };
  const version = packageVersion();
  const health = healthRoutes({ version, freshMsMax: http.fresh_within * 1000, daemon: () => daemon });
  const routes = metrics === undefined ? health : [...health, metricsRoute(metrics)];
  const store = new ApiStore({ url: requireStoreUrl(configuration), logger });
  const { host: listenHost } = parseListen(http.listen, 'http.listen');
  const handler = apiHandler({
    operations: allOperations(version),
    access: { token: http.token, hosts: http.hosts, listenHost },
    project: () => project,
    readKnown,
    openStore: () => store.open(),
    logger,
  });
  const server = await serveHttp({ listen: http.listen, key: 'http.listen', routes, handler, logger });
  logger.info({ url: server.url, paths: [...routes.map(({ path }) => path), handler.prefix] }, 'health is served');
  const close = async (): Promise<void> => {
    await server.close();
    await store.close();
  };
  return { watch, follow, close };
}
