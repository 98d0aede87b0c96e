import { createRequire } from 'node:module';
import { z } from 'zod';
import { joinObservers, type FlowObserver } from '../../daemon/batch-trail.ts';
import { DaemonMetrics } from '../../daemon/daemon-metrics.ts';
import type { RunFlow, RunObserver } from '../../flow/contract.ts';
import type { FlowMetrics } from '../../flow/flow-metrics.ts';
import { joinRunObservers } from '../../flow/run-observers.ts';
import { runFlow } from '../../flow/runner.ts';
import type { Logger } from '../../lib/logger.ts';

/** What of a daemon is watched: nothing, where nobody asked for it. */
export interface Watching {
  readonly runFlow: RunFlow;
  readonly observer: FlowObserver | undefined;
  readonly metrics: DaemonMetrics | undefined;
}

/** `figures`: with prometheus_enable. */
export function watchFlows(figures: FlowMetrics | undefined, logger: Logger): Watching {
  const metrics = figures === undefined ? undefined : new DaemonMetrics(figures.registry, { version: packageVersion() });
  const observer = joinObservers(metrics === undefined ? [] : [metrics], (error) => {
    logger.error({ error }, 'flows are not watched any more');
  });
  return { runFlow: figures === undefined ? runFlow : observed(figures), observer, metrics };
}

/** Every run is told to this one, beside the one that it has. */
function observed(figures: RunObserver): RunFlow {
  return (flow, rows, scope, hooks) => runFlow(flow, rows, scope, { ...hooks, observer: joinRunObservers(figures, hooks?.observer) });
}

function packageVersion(): string {
  const manifest: unknown = createRequire(import.meta.url)('../../../package.json');
  return z.object({ version: z.string() }).parse(manifest).version;
}
