import type { StoreView } from '../store/presence.ts';
import type { FlowFigures } from './flow-figures.ts';
import type { FlowState } from './flow-record.ts';
import type { SourceView } from './source-watch.ts';
import type { WriteView } from './heartbeat.ts';

/** One flow of a daemon, as readiness looks at it. */
export interface FlowLook {
  readonly name: string;
  readonly state: FlowState;
  /** Code of the error that it is retrying after, or failed with. */
  readonly code: string | undefined;
  readonly source: string;
  readonly figures: Pick<FlowFigures, 'freshMs' | 'reader' | 'batchMs'>;
}

/** What a daemon's readiness is made of. */
export interface DaemonLook {
  readonly phase: 'starting' | 'running' | 'stopping';
  readonly flows: readonly FlowLook[];
  readonly sources: ReadonlyMap<string, SourceView>;
  readonly store: StoreView;
  /** The store's answers to the heartbeat's writes. */
  readonly writes: WriteView;
}

export interface FlowReadiness {
  readonly flow: string;
  readonly state: FlowState;
  readonly isReady: boolean;
  /** Null: nothing is proven yet. */
  readonly freshSeconds: number | null;
  /** Why it is not ready: codes and times, never values of rows. */
  readonly reasons: readonly string[];
}

export interface Readiness {
  readonly isReady: boolean;
  /** What concerns the daemon as a whole. */
  readonly reasons: readonly string[];
  readonly flows: readonly FlowReadiness[];
}

/** A question is asked every second, and has 5 seconds: what was last answered longer ago does not answer. */
export const silentMs = 6000;

/** Whether the daemon does what it is there for: every flow that it runs is fresh, and what it stands by for could be taken over. `now`: steadyNow(). */
export function judgeReadiness(look: DaemonLook, options: { readonly freshMsMax: number; readonly now: number }): Readiness {
  const reasons = [
    ...(look.phase === 'running' ? [] : [look.phase]),
    ...describeSilence('the store', look.store.answeredAt, { ...options, failure: look.store.failure }),
  ];
  const flows = look.flows.map((flow) => judgeFlow(flow, look, options));
  return { isReady: reasons.length === 0 && flows.every(({ isReady }) => isReady), reasons, flows };
}

function judgeFlow(
  flow: FlowLook,
  look: DaemonLook,
  options: { readonly freshMsMax: number; readonly now: number },
): FlowReadiness {
  const { name, state, figures } = flow;
  const { freshMs } = figures;
  const reasons = reasonsOf(flow, look, options);
  return {
    flow: name,
    state,
    isReady: reasons.length === 0,
    freshSeconds: freshMs === undefined ? null : seconds(freshMs),
    reasons,
  };
}

function reasonsOf(
  flow: FlowLook,
  look: DaemonLook,
  options: { readonly freshMsMax: number; readonly now: number },
): readonly string[] {
  const { state, code = '', figures } = flow;
  const source = look.sources.get(flow.source);
  const silence = describeSilence(`source ${flow.source}`, source?.latest?.at, { ...options, failure: source?.failure });
  switch (state) {
    case 'paused':
    case 'stopped':
      return [];
    case 'failed':
      return [`failed with ${code}`];
    case 'rebuilding':
      return [`rebuilding after ${code}`];
    case 'starting':
      return ['starting', ...silence];
    case 'standby':
      return silence;
    case 'running':
    case 'retrying': {
      const late = describeLate(figures.freshMs, options.freshMsMax);
      const lost = figures.reader?.lostMs ?? 0;
      const isLost = lost > silentMs;
      if (late.length === 0 && silence.length === 0 && !isLost) return [];
      return [
        ...late,
        ...silence,
        ...(isLost ? [`its reader has not been connected for ${seconds(lost)} s`] : []),
        ...(state === 'retrying' ? [`retrying after ${code}`] : []),
        ...describeBatch(figures.batchMs),
        ...describeWrites(look.writes, options.now),
      ];
    }
    default:
      return state satisfies never;
  }
}

function describeLate(freshMs: number | undefined, freshMsMax: number): string[] {
  if (freshMs === undefined) return ['nothing is proven to be in the store yet'];
  return freshMs > freshMsMax ? [`behind by ${seconds(freshMs)} s, more than ${seconds(freshMsMax)} s`] : [];
}

/** A batch that takes so long is worth naming: the flow's freshness waits for it. */
function describeBatch(batchMs: number | undefined): string[] {
  return batchMs === undefined || batchMs < silentMs ? [] : [`a batch has been under way for ${seconds(batchMs)} s`];
}

function describeWrites({ failure }: WriteView, now: number): string[] {
  return failure === undefined
    ? []
    : [`the store has taken no writes for ${seconds(now - failure.since)} s (${failure.error.code})`];
}

function describeSilence(
  who: string,
  answeredAt: number | undefined,
  { failure, now }: { readonly failure: StoreView['failure']; readonly now: number },
): string[] {
  const why = failure === undefined ? '' : ` (${failure.error.code})`;
  if (answeredAt === undefined) return [`${who} has not answered yet${why}`];
  return now - answeredAt > silentMs ? [`${who} has not answered for ${seconds(now - answeredAt)} s${why}`] : [];
}

function seconds(ms: number): number {
  return Math.round(Math.max(0, ms) / 100) / 10;
}
