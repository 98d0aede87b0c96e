import { steadyNow } from '../lib/clock.ts';
import type { Position } from '../row/position.ts';
import type { Batch } from './batch.ts';
import { CommitCounts, type CommitFigures } from './commit-counts.ts';
import type { FlowFeed } from './feed.ts';
import { measureDistance, placeOf, type FlowFigures } from './flow-figures.ts';
import { FlowFreshness, hasPassed } from './freshness.ts';
import type { ReaderPool } from './reader-pool.ts';
import type { SourceWatch } from './source-watch.ts';

export interface FlowMeterOptions {
  readonly watch: Pick<SourceWatch, 'view'>;
  readonly pool: Pick<ReaderPool, 'stateOf'>;
}

/** Measures one flow, over all its runs in this process. */
export class FlowMeter {
  readonly #options: FlowMeterOptions;
  readonly #counts = new CommitCounts();
  readonly #freshness = new FlowFreshness();
  #feed: FlowFeed | undefined;
  /** Rows are still to be read that were there before the feed began: nothing is proven by its place. */
  #isLoading: () => boolean = () => false;
  /** What was done when the last run ended; of a flow that has not run here, its checkpoint. */
  #doneBefore: Position | undefined;
  /** Where the checkpoint was then. */
  #committedBefore: Position | undefined;

  constructor(options: FlowMeterOptions) {
    this.#options = options;
  }

  /** A run begins, at the feed's place. */
  begin(feed: FlowFeed, isLoading: () => boolean): void {
    this.#feed = feed;
    this.#isLoading = isLoading;
    if (isLoading()) this.#freshness.forget();
    // after a new start by hand the store lacks what was proven to be in it
    if (this.#committedBefore !== undefined && !hasPassed(feed.underWay.done, this.#committedBefore)) this.#freshness.forget();
  }

  end(): void {
    this.#doneBefore = this.done;
    this.#committedBefore = this.#feed?.underWay.committed;
    this.#feed = undefined;
  }

  /** Of a flow that does not run here: its checkpoint. */
  rest(checkpoint: Position): void {
    if (this.#feed === undefined) this.#doneBefore = checkpoint;
  }

  onCommit(batch: Batch, filtered: number): void {
    this.#counts.add(batch, filtered);
    this.#feed?.underWay.settle(batch.end);
  }

  get counts(): CommitFigures {
    return this.#counts.figures;
  }

  /** Everything before it is in the store or of no concern to the flow; undefined: it has not run yet. */
  get done(): Position | undefined {
    return this.#feed?.underWay.done ?? this.#doneBefore;
  }

  /** Where it stands in the binlog that the source has now; undefined: it has not run yet. */
  get place(): Position | undefined {
    const { done } = this;
    return done === undefined ? undefined : placeOf(done, this.#freshness.passed);
  }

  get figures(): FlowFigures {
    return this.figuresWith(undefined);
  }

  /** The figures as they are once this is proven too. */
  figuresWith(claim: number | undefined): FlowFigures {
    const { watch, pool } = this.#options;
    const feed = this.#feed;
    const now = steadyNow();
    const begunAt = feed?.underWay.oldest?.since;
    const { passed } = this.#freshness;
    const provenAt = latest(this.#freshness.provenAt, claim);
    const facts = { done: this.done, oldestTime: feed?.oldestTime ?? 0, provenAt, passed, view: watch.view };
    return {
      ...measureDistance(facts, now),
      queueBytes: feed?.queuedBytes ?? 0,
      rate: this.#counts.perSecond(performance.now()),
      batchMs: begunAt === undefined ? undefined : now - begunAt,
      reader: feed === undefined ? undefined : pool.stateOf(feed),
    };
  }

  /** How fresh it is once a write to the store that begins now has succeeded; undefined: nothing new would be proven. */
  pass(): number | undefined {
    return this.#feed === undefined || this.#isLoading()
      ? undefined
      : this.#freshness.pass(this.#options.watch.view.probes, this.#feed.underWay.done);
  }

  /** A write that began after `pass` gave this has succeeded. */
  prove(at: number): void {
    this.#freshness.prove(at);
  }
}

function latest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}
