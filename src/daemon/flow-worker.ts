import { isEmpty, type Batch } from './batch.ts';
import type { Aside } from './aside.ts';
import type { Attempt } from './attempt.ts';
import type { BatchRunner } from './batch-runner.ts';
import type { FlowFeed } from './feed.ts';
import type { Handover } from './handover.ts';

/** Where batches come from. */
export type BatchSource = Pick<FlowFeed, 'take' | 'isCuttingAgain' | 'sizeCuttingAgain'>;

export interface FlowWorkerOptions {
  readonly feed: BatchSource;
  readonly runner: BatchRunner;
  /** Changed versions of the flow: taken when what is under way has been committed. */
  readonly handover: Handover;
  /** Done likewise. */
  readonly aside: Aside;
  /** Take what is queued, commit it, and end. */
  readonly drain: AbortSignal;
  /** At the end rows that wait are waited for, until this aborts; undefined: they are left. Dead rows, and those behind them, are left always. */
  readonly leave: AbortSignal | undefined;
  /** A place that has moved without changes is saved at most this often. */
  readonly idleSaveMs: number;
}

/**
 * One flow's loop: takes a batch, begins it, and goes on to the next while that one is written.
 *
 *     feed ──take──► begin(n+1) │ functions ──► statements ──► commit
 *                    begin(n)   └──────────────────────────────▲ waits for the commit of n
 *
 * At most two batches are under way. Batches form by themselves: while one commits, the feed gathers the next; when nothing
 * is under way a row goes at once.
 */
export async function runFlowWorker(options: FlowWorkerOptions): Promise<void> {
  const worker = new FlowWorker(options);
  await worker.run();
}

class FlowWorker {
  readonly #options: FlowWorkerOptions;
  #previous: Attempt | undefined;
  #next: Promise<Batch | undefined> | undefined;
  /** The last batch, where it has no changes and is not saved yet. */
  #idle: Batch | undefined;
  #savedAt = performance.now();

  constructor(options: FlowWorkerOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { drain, idleSaveMs } = this.#options;
    for (;;) {
      const batch = await this.#take();
      if (batch === undefined) break;
      // A place that moved without changes is in the start of the next batch, so it need not be saved each time.
      while (this.#options.runner.parked.isFull && this.#mayTry && !drain.aborted) await this.#waitForRound(drain);
      if (isEmpty(batch) && !drain.aborted && performance.now() - this.#savedAt < idleSaveMs) this.#idle = batch;
      else await this.#process(batch);
    }
    if (this.#idle !== undefined) await this.#process(this.#idle);
    await this.#settle();
    await this.#waitForParked();
  }

  async #waitForParked(): Promise<void> {
    const { leave, runner } = this.#options;
    if (leave === undefined) return;
    while (runner.parked.hasWork && !leave.aborted) await this.#waitForRound(leave);
  }

  /** Waits until rows that wait are to be tried again, and does it. */
  async #waitForRound(signal: AbortSignal): Promise<void> {
    await this.#settle();
    await this.#options.runner.parked.due(signal);
    await this.#roundIfDue();
  }

  /** Not before batches of an earlier run are done, which came before them; unless these may be what there is no room for. */
  get #mayTry(): boolean {
    const { runner, feed } = this.#options;
    return !feed.isCuttingAgain || !runner.parked.hasRoomFor(feed.sizeCuttingAgain);
  }

  /** Tries rows that wait again, when it is time to. */
  async #roundIfDue(): Promise<void> {
    const { runner } = this.#options;
    if (runner.parked.dueAt > performance.now() || !this.#mayTry) return;
    await this.#settle();
    await runner.parked.round();
  }

  /** The next batch; meanwhile the one under way may fail, and is recovered then and not when the next one comes. */
  async #take(): Promise<Batch | undefined> {
    const { feed, drain, handover, aside } = this.#options;
    this.#next ??= feed.take(drain);
    this.#next.catch(() => {});
    for (;;) {
      if (handover.isWaiting) await this.#handOver();
      if (aside.isWaiting) await this.#doAside();
      await this.#roundIfDue();
      const previous = this.#previous;
      const over = new AbortController();
      const winner = await Promise.race([
        this.#next.then(() => 'batch' as const),
        handover.offered().then(() => 'change' as const),
        aside.offered().then(() => 'change' as const),
        ...this.#roundDue(over.signal),
        ...(previous === undefined
          ? []
          : [
              previous.committed.then(
                () => 'settled' as const,
                () => 'settled' as const,
              ),
            ]),
      ]).finally(() => over.abort());
      if (winner === 'batch') break;
      if (winner === 'settled') await this.#settle();
    }
    if (handover.isWaiting) await this.#handOver();
    const batch = await this.#next;
    this.#next = undefined;
    return batch;
  }

  #roundDue(over: AbortSignal): readonly Promise<'round'>[] {
    return this.#mayTry ? [this.#options.runner.parked.due(over).then(() => 'round' as const)] : [];
  }

  async #handOver(): Promise<void> {
    await this.#settle();
    this.#options.handover.take();
  }

  async #doAside(): Promise<void> {
    const { aside, runner } = this.#options;
    await this.#settle();
    await aside.run(runner);
  }

  async #process(batch: Batch): Promise<void> {
    const { runner } = this.#options;
    this.#idle = undefined;
    this.#savedAt = performance.now();
    const previous = this.#previous;
    const attempt = runner.begin(batch, previous?.committed ?? Promise.resolve());
    if (previous !== undefined) {
      try {
        await previous.committed;
      } catch (error) {
        this.#previous = undefined;
        return runner.recover([previous, attempt], error);
      }
    }
    this.#previous = attempt;
    if (!(await attempt.computed)) await this.#settle();
  }

  async #settle(): Promise<void> {
    const attempt = this.#previous;
    this.#previous = undefined;
    if (attempt === undefined) return;
    try {
      await attempt.committed;
    } catch (error) {
      await this.#options.runner.recover([attempt], error);
    }
  }
}
