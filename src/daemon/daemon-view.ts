import type { Presence } from '../store/presence.ts';
import type { FlowService } from './flow-service.ts';
import type { Heartbeat } from './heartbeat.ts';
import type { DaemonLook, FlowLook } from './readiness.ts';
import type { SourceSet } from './source-set.ts';

/** A running daemon, for those who watch it. */
export interface DaemonView {
  /** The daemon's name in the store. */
  readonly holder: string;
  /** One a flow. */
  readonly services: readonly FlowService[];
  /** What its readiness is made of. */
  readonly look: () => DaemonLook;
}

export interface DaemonParts {
  readonly holder: string;
  readonly services: () => readonly FlowService[];
  readonly sources: Pick<SourceSet, 'all'>;
  readonly presence: Pick<Presence, 'view'>;
  readonly heartbeat: Pick<Heartbeat, 'view'>;
  readonly stop: AbortSignal;
}

export function makeDaemonView({ holder, services, sources, presence, heartbeat, stop }: DaemonParts): DaemonView {
  return {
    holder,
    get services() {
      return services();
    },
    look: () => ({
      phase: stop.aborted ? 'stopping' : 'running',
      flows: services().map(lookAt),
      sources: new Map(sources.all.map(({ source, watch }) => [source.name, watch.view])),
      store: presence.view,
      writes: heartbeat.view,
    }),
  };
}

function lookAt(service: FlowService): FlowLook {
  const { name, state, error } = service.report;
  return { name, state, code: error?.code, source: service.source.name, figures: service.figures };
}
