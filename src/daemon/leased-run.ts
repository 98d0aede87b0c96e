import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { CodedError } from '../lib/error.ts';
import { formatPosition } from '../row/position.ts';
import { Aside, type AsideWork } from './aside.ts';
import { BatchRunner } from './batch-runner.ts';
import { FlowFeed } from './feed.ts';
import { loadCheckpoint } from './first-checkpoint.ts';
import type { LeasedRunOptions } from './leased-run-options.ts';
import type { DaemonFlow } from './daemon-flow.ts';
import { IntentLog } from './intent-log.ts';
import { runFlowWorker } from './flow-worker.ts';
import { Handover } from './handover.ts';
import type { KeptCounts } from './park.ts';
import { isExternal } from './running-flow.ts';
import { RunStage } from './run-stage.ts';

/** How often a place that moved without changes is saved. */
const idleSaveMs = 5000;

/** One run of a flow under one lease: from its checkpoint until it is told to end, or fails. */
export interface LeasedRun {
  readonly feed: FlowFeed;
  /** Rows that are kept and may still be applied. */
  readonly kept: KeptCounts;
  /** The flow has yet to receive rows that its tables have had from the beginning. */
  readonly isLoading: boolean;
  /** An operator wants something of dead rows: it is done between two batches. */
  noteWishes(): void;
  /** There is another run of repair of the flow, or an operator wants something of one. */
  noteRuns(): void;
  /** Runs; resolves after `finish` once all is committed, rejects with what ended it else. */
  work(): Promise<void>;
  /** No more is read; what was received is committed. */
  finish(): void;
  /** Another version of the flow, of the same tables: the batches from the next one on run it. `onTaken`: none runs the old one any more. */
  replace(next: DaemonFlow, onTaken: () => void): void;
  /** Has it done between two batches, in a transaction of the flow that leaves its position; see Aside. */
  doAside(work: AsideWork): Promise<void>;
  /** No transaction behind the one that is being read is taken in; what was received is committed. */
  finishBetweenTransactions(): void;
  /** Ends at once with this error; what is in flight is rolled back. */
  fail(error: CodedError): void;
  close(): Promise<void>;
}

/** The parts of a run, from the feed to the store. */
interface RunParts {
  readonly checkpoint: Checkpoint;
  readonly intents: IntentLog;
  readonly feed: FlowFeed;
  readonly stage: RunStage;
  readonly handover: Handover;
  readonly runner: BatchRunner;
}

async function makeParts(options: LeasedRunOptions): Promise<RunParts> {
  const { subject, abort } = options;
  const flow = subject.flow.name;
  const checkpoint = await loadCheckpoint(options);
  const start = checkpoint.position;
  const intents = await openIntents(options, checkpoint);
  const feed = new FlowFeed({ ...options, ...subject, flow, start, cuts: intents.cuts });
  const stage = new RunStage({ ...options, ...subject, ...snapshotLimits(subject), flow, feed, start, signal: abort });
  const handover = new Handover();
  const runner = new BatchRunner({
    ...options,
    ...subject,
    atBoundary: () => handover.take(),
    intents,
    sequence: checkpoint.sequence,
    position: start,
    signal: abort,
    onCommit: (batch, filtered) => {
      stage.onCommit(batch);
      options.onCommit(batch, filtered);
    },
  });
  return { checkpoint, intents, feed, stage, handover, runner };
}

/** Reads the flow's checkpoint, or makes its first one, and gets everything ready to go on from there. */
export async function openLeasedRun(options: LeasedRunOptions): Promise<LeasedRun> {
  const { subject, pool, stop, abort, lease, logger } = options;
  const flow = subject.flow.name;
  const { checkpoint, intents, feed, stage, handover, runner } = await makeParts(options);
  const aside = new Aside();
  await runner.parked.load();
  await stage.load();
  const drain = new AbortController();
  const finish = (): void => {
    pool.remove(feed);
    drain.abort();
  };
  const fail = (error: CodedError): void => {
    feed.fail(error);
    runner.destroy();
  };
  const onAbort = (): void => fail(new CodedError('STOP_DEADLINE', `Flow ${flow}: work in flight was rolled back.`));
  stop.addEventListener('abort', finish);
  abort.addEventListener('abort', onAbort);
  return {
    feed,
    get kept() {
      return runner.parked.counts;
    },
    get isLoading() {
      return stage.isLoading;
    },
    noteWishes: () => runner.parked.noteWishes(),
    noteRuns: () => stage.noteRuns(),
    finish,
    replace(next, onTaken) {
      handover.offer(() => {
        runner.replace(next);
        feed.setLimits(next.batch);
        intents.cuts.forgetDead();
        onTaken();
      });
    },
    doAside: (work) => aside.do(work),
    finishBetweenTransactions: () => feed.closeBetweenTransactions(finish),
    fail,
    async work() {
      logger.info({ flow, position: formatPosition(checkpoint.position), epoch: lease.epoch }, 'flow runs');
      if (stop.aborted) finish();
      else pool.add(feed);
      await runFlowWorker({ feed: stage, runner, handover, aside, drain: drain.signal, leave: options.leave, idleSaveMs });
    },
    async close() {
      stop.removeEventListener('abort', finish);
      abort.removeEventListener('abort', onAbort);
      pool.remove(feed);
      stage.close();
      aside.close();
      await runner.close().catch(() => runner.destroy());
    },
  };
}

/** A chunk becomes one batch. */
function snapshotLimits({ batch, snapshot }: DaemonFlow) {
  return { ...snapshot, limits: { rowsMax: batch.rows, bytesMax: batch.bytes, targetMs: 200 } };
}

/** What a flow that writes outside the store was about to run when it last ended. */
async function openIntents(options: LeasedRunOptions, { sequence }: Checkpoint): Promise<IntentLog> {
  const { subject, lease } = options;
  const { tablesHash, fingerprint } = subject;
  const intents = new IntentLog({ ...options, ...lease, tablesHash });
  if (isExternal(subject)) await intents.restore({ sequence, fingerprint });
  return intents;
}
