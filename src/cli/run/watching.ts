import { joinObservers, type FlowObserver } from '../../daemon/batch-trail.ts';
import type { DaemonMetrics } from '../../daemon/daemon-metrics.ts';
import type { Tracing } from '../../daemon/tracing.ts';
import { wantsTraces } from '../../daemon/tracing-wish.ts';
import type { RunFlow, RunObserver } from '../../flow/contract.ts';
import type { FlowMetrics } from '../../flow/flow-metrics.ts';
import { joinRunObservers } from '../../flow/run-observers.ts';
import { runFlow } from '../../flow/runner.ts';
import { describeError } from '../../lib/error.ts';
import type { CommandContext } from '../command.ts';
import { packageVersion } from './package-version.ts';

/** How long the end waits for a collector of traces. */
const flushMs = 2000;

/** What of a daemon is watched: nothing, where nobody asked for it. */
export interface Watching {
  readonly runFlow: RunFlow;
  readonly observer: FlowObserver | undefined;
  readonly metrics: DaemonMetrics | undefined;
  readonly close: () => Promise<void>;
}

/** `figures`: with prometheus_enable. Traces are sent where the environment names a collector. */
export async function watchFlows(
  figures: FlowMetrics | undefined,
  context: Pick<CommandContext, 'env' | 'logger'>,
): Promise<Watching> {
  const version = packageVersion();
  const metrics = figures === undefined ? undefined : await openMetrics(figures, version);
  const tracing = await openTracing(context, { version, metrics });
  const observer = joinObservers(
    [...(metrics === undefined ? [] : [metrics]), ...(tracing === undefined ? [] : [tracing])],
    (error) => {
      context.logger.error({ error }, 'flows are not watched any more');
    },
  );
  return {
    runFlow: figures === undefined ? runFlow : observed(figures),
    observer,
    metrics,
    close: async () => tracing?.close(flushMs),
  };
}

/** Loaded only where figures are wished for, as traces are. */
async function openMetrics(figures: FlowMetrics, version: string): Promise<DaemonMetrics> {
  const { DaemonMetrics: Opened } = await import('../../daemon/daemon-metrics.ts');
  return new Opened(figures.registry, { version });
}

/** Every run is told to this one, beside the one that it has. */
function observed(figures: RunObserver): RunFlow {
  return (flow, rows, scope, hooks) =>
    runFlow(flow, rows, scope, { ...hooks, observer: joinRunObservers(figures, hooks?.observer) });
}

/** Loaded only where it is wished for. That it cannot be is no reason for flows to stand still. */
async function openTracing(
  { env, logger }: Pick<CommandContext, 'env' | 'logger'>,
  { version, metrics }: { readonly version: string; readonly metrics: DaemonMetrics | undefined },
): Promise<Tracing | undefined> {
  if (!wantsTraces(env)) return undefined;
  try {
    const { Tracing: Opened } = await import('../../daemon/tracing.ts');
    const tracing = await Opened.open({ env, version, onSpans: (outcome, count) => metrics?.countSpans(outcome, count), logger });
    logger.info({}, 'batches are traced');
    return tracing;
  } catch (error) {
    const remedy = 'install kisflow with its optional dependencies (@opentelemetry/…), or take OTEL_EXPORTER_OTLP_ENDPOINT out';
    logger.error({ error: describeError(error), remedy }, 'batches are not traced');
    return undefined;
  }
}
