import { gtidContains, gtidDialect } from '../row/gtid.ts';
import { comparePositions, type Position } from '../row/position.ts';

/**
 * Proven freshness: how old what a flow's computed tables lack may be, at most, without a write to the source.
 *
 *     source   at `at` a probe asks for its end  ──► head: what was committed before `at` lies at or before it
 *     flow     its done position passes head     ──► all of that is in the store, or of no concern to the flow
 *     store    a write begun after that succeeds ──► and it answers, and takes writes
 *
 * Then the flow is fresh as of `at`. Pure: all times are steadyNow(), and come in from outside.
 */
export interface Probe {
  readonly at: number;
  readonly head: Position;
}

/** More are thinned out: one that is left out only makes what is proven older. */
const probesMax = 64;

/** Adds the newest probe. One whose end lies before the end seen last, on the same server, is of a history that was reset: it proves nothing. */
export function addProbe(probes: readonly Probe[], probe: Probe): readonly Probe[] {
  const last = probes.at(-1);
  if (last !== undefined && last.head.server === probe.head.server && comparePositions(probe.head, last.head) < 0) return probes;
  const all = [...probes, probe];
  if (all.length <= probesMax) return all;
  const half = probesMax / 2;
  return all.filter((_, index) => index >= half || index % 2 === 0);
}

/** The newest probe whose end a flow has passed; the ends of probes follow one another. */
export function newestPassed(probes: readonly Probe[], done: Position): Probe | undefined {
  let low = 0;
  let high = probes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const probe = probes[middle];
    if (probe !== undefined && hasPassed(done, probe.head)) low = middle + 1;
    else high = middle;
  }
  return probes[low - 1];
}

/**
 * Whether everything up to `head` lies at or before `done`: by the place where both are of one server, else by GTIDs. Of MariaDB's those
 * of two servers in one domain say nothing of one another, unless they are the same.
 */
export function hasPassed(done: Position, head: Position): boolean {
  if (done.server === head.server && comparePositions({ ...done, rows: 0 }, head) >= 0) return true;
  if (done.gtid === '' || head.gtid === '') return false;
  if (gtidDialect(head.gtid) !== 'mariadb') return gtidContains(done.gtid, head.gtid);
  const reached = new Map(done.gtid.split(',').map((entry) => [entry.split('-')[0], entry]));
  return head.gtid.split(',').every((entry) => isMariadbPassed(entry, reached.get(entry.split('-')[0])));
}

function isMariadbPassed(entry: string, reached: string | undefined): boolean {
  const [, server, number = '0'] = entry.split('-');
  const [, reachedServer, reachedNumber = '0'] = reached?.split('-') ?? [];
  return reached !== undefined && server === reachedServer && BigInt(number) <= BigInt(reachedNumber);
}

/** What is proven of one flow. */
export class FlowFreshness {
  #passed: Probe | undefined;
  #provenAt: number | undefined;

  /** The newest probe that it has passed, whether proven or not. */
  get passed(): Probe | undefined {
    return this.#passed;
  }

  /** Everything committed at the source before this is in the store; undefined: nothing is proven yet. */
  get provenAt(): number | undefined {
    return this.#provenAt;
  }

  /** Another look at what it has done; gives what a write to the store that begins now would prove. */
  pass(probes: readonly Probe[], done: Position): number | undefined {
    const passed = newestPassed(probes, done);
    if (passed !== undefined && passed.at > (this.#passed?.at ?? Number.NEGATIVE_INFINITY)) this.#passed = passed;
    return this.#passed?.at;
  }

  /** A write to the store that began after `pass` gave this has succeeded. */
  prove(at: number): void {
    if (this.#passed === undefined) return; // it has begun anew since
    this.#provenAt = Math.max(at, this.#provenAt ?? at);
  }

  /** It begins anew from a checkpoint that does not hold what was in the store before. */
  forget(): void {
    this.#passed = undefined;
    this.#provenAt = undefined;
  }
}
