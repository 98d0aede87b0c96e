import { steadyNow } from '../lib/clock.ts';
import { jsonAnswer, type HttpAnswer, type HttpRoute } from '../lib/http-server.ts';
import type { DaemonView } from '../daemon/daemon-view.ts';
import { judgeReadiness, type FlowReadiness } from '../daemon/readiness.ts';

export interface HealthOptions {
  readonly version: string;
  /** A flow is ready while it is fresh within this. */
  readonly freshMsMax: number;
  /** The daemon; undefined while it is being opened. */
  readonly daemon: () => DaemonView | undefined;
}

/**
 * `/healthz`: the process turns; who cannot get it may restart the daemon. `/readyz`: what it computes is fresh; who cannot get it may
 * wait, or look at the reasons. Neither asks anything of a server, nor tells anything of rows or addresses.
 */
export function healthRoutes(options: HealthOptions): readonly HttpRoute[] {
  const since = steadyNow();
  return [
    { path: '/healthz', answer: () => answerAlive(options, steadyNow() - since) },
    { path: '/readyz', answer: () => answerReady(options) },
  ];
}

function answerAlive({ version, daemon }: HealthOptions, uptimeMs: number): HttpAnswer {
  const view = daemon();
  return jsonAnswer(200, {
    status: view?.look().phase ?? 'starting',
    version,
    holder: view?.holder ?? null,
    uptimeSeconds: Math.round(uptimeMs / 1000),
  });
}

function answerReady({ daemon, freshMsMax }: HealthOptions): HttpAnswer {
  const view = daemon();
  if (view === undefined) return jsonAnswer(503, { ready: false, reasons: ['starting'], flows: [] });
  const { isReady, reasons, flows } = judgeReadiness(view.look(), { freshMsMax, now: steadyNow() });
  return jsonAnswer(isReady ? 200 : 503, { ready: isReady, reasons, flows: flows.map(showFlow) });
}

function showFlow({ flow, state, isReady, freshSeconds, reasons }: FlowReadiness): unknown {
  return { flow, state, ready: isReady, freshSeconds, reasons };
}
