import type { VerifyStatus } from '../repair/verify-schedule.ts';
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
  /** By flow: how often it is verified, and what the last verify found. As the store said seconds ago. */
  readonly verified: ReadonlyMap<string, VerifyStatus>;
}

export interface DaemonParts {
  readonly holder: string;
  readonly services: () => readonly FlowService[];
  readonly sources: Pick<SourceSet, 'all'>;
  readonly presence: Pick<Presence, 'view'>;
  readonly heartbeat: Pick<Heartbeat, 'view'>;
  readonly verifies: { readonly status: ReadonlyMap<string, VerifyStatus> };
  readonly stop: AbortSignal;
}

export function makeDaemonView({ holder, services, sources, presence, heartbeat, verifies, stop }: DaemonParts): DaemonView {
  return {
    holder,
    get services() {
      return services();
    },
    get verified() {
      return verifies.status;
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
