import type { Position } from '../row/position.ts';
import { bytesBetween, headroomOf, type Headroom } from './binlog-distance.ts';
import { hasPassed, type Probe } from './freshness.ts';
import type { ReaderView } from './reader.ts';
import type { SourceView } from './source-watch.ts';

/** How far one flow is, as status, readiness and metrics tell it. Undefined: not known. All of it is at hand: nothing is asked for it. */
export interface FlowFigures {
  /** Milliseconds since the latest moment of which it is proven that everything committed before it at the source is in the store. */
  readonly freshMs: number | undefined;
  /** How long ago the oldest change was committed that is not in the store yet; 0 when none is. Never more than freshMs. */
  readonly lagMs: number | undefined;
  /** Bytes of the source's binlog between what it has done and the end, those that are of no concern to it included. */
  readonly lagBytes: number | undefined;
  /** How long until the source may purge what it needs next. */
  readonly headroom: Headroom | undefined;
  /** Bytes of binlog that wait in memory. */
  readonly queueBytes: number;
  /** Changes committed per second, lately. */
  readonly rate: number;
  /** Its reader; undefined while it has none. */
  readonly reader: ReaderView | undefined;
  /** For how long the oldest batch that is under way has been; undefined: none is. */
  readonly batchMs: number | undefined;
}

/** What figures are made of. Times are steadyNow(). */
export interface FlowFacts {
  /** Everything up to here is in the store or of no concern; undefined: it has never run. */
  readonly done: Position | undefined;
  /** Commit time of the oldest change that waits, by the source's clock; 0 when none does. */
  readonly oldestTime: number;
  readonly provenAt: number | undefined;
  readonly passed: Probe | undefined;
  readonly view: SourceView;
}

type Distance = Pick<FlowFigures, 'freshMs' | 'lagMs' | 'lagBytes' | 'headroom'>;

export function measureDistance(facts: FlowFacts, now: number): Distance {
  const { done, view, provenAt } = facts;
  const freshMs = provenAt === undefined ? undefined : Math.max(0, now - provenAt);
  if (done === undefined) return { freshMs, lagMs: freshMs, lagBytes: undefined, headroom: undefined };
  const { latest, shelf } = view;
  const place = placeOf(done, facts.passed);
  return {
    freshMs,
    lagMs: lagOf(facts, freshMs, now),
    lagBytes: latest === undefined ? undefined : isAtEnd(done, view) ? 0 : bytesBetween(place, latest.head, shelf?.files ?? []),
    headroom: latest === undefined || shelf === undefined ? undefined : headroomOf(place, shelf, latest.time + now - latest.at),
  };
}

/** What a flow has done counts as done up to the end of a probe that it has passed: by GTIDs it may be there before its own place is. */
export function placeOf(done: Position, passed: Probe | undefined): Position {
  if (passed === undefined || !hasPassed(done, passed.head)) return done;
  return hasPassed(passed.head, { ...done, gtid: '' }) || done.server !== passed.head.server ? passed.head : done;
}

/** By the source's clock alone, so that it matters neither how the daemon's clock is set nor that it is set anew. */
function lagOf({ done, oldestTime, view }: FlowFacts, freshMs: number | undefined, now: number): number | undefined {
  const { latest } = view;
  if (done !== undefined && oldestTime === 0 && isAtEnd(done, view)) return view.failure === undefined ? 0 : freshMs;
  if (oldestTime === 0 || latest === undefined) return freshMs;
  const sinceCommit = Math.max(0, latest.time + now - latest.at - oldestTime);
  return Math.min(sinceCommit, freshMs ?? sinceCommit);
}

function isAtEnd(done: Position, { latest }: SourceView): boolean {
  return latest !== undefined && hasPassed(done, latest.head);
}
