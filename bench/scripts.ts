/** What runs in processes of its own: each script with what it is told and what it answers. */
export interface Script<Input, Result> {
  readonly file: URL;
  /** Types only. */
  readonly speaks?: { readonly input: Input; readonly result: Result };
}

export interface ReadInput {
  readonly url: string;
  /** The binlog's first file. */
  readonly file: string;
  /** Row changes of bench.orders in the binlog: reading ends behind the last of them. */
  readonly rows: number;
}

export interface DecodeInput extends ReadInput {
  /** The columns that are asked for; absent: all. */
  readonly columns?: readonly string[];
}

export interface UpsertInput {
  readonly url: string;
  readonly table: string;
  readonly inserts: number;
}

/** How far a script came, and how long it took without its preparations. */
export interface RunResult {
  readonly rows: number;
  readonly seconds: number;
  readonly peakMb: number;
}

export interface WriterInput {
  readonly url: string;
  readonly table: string;
  readonly firstId: number;
  readonly commits: number;
  readonly rowsPerCommit: number;
  /** Commits of one second; 0: as many as the connections give. */
  readonly perSecond: number;
  readonly connections: number;
  /** Commits the same rows there as well, right after: what a program without kisflow would do. */
  readonly thenTo?: { readonly url: string; readonly table: string };
}

export interface WriterResult {
  /** Steady time of each commit's answer, by its number. */
  readonly committedAt: readonly number[];
  /** How long each commit took, from its statement to its answer. */
  readonly tookMs: readonly number[];
  /** Commits of one second, as they came to be. */
  readonly achieved: number;
}

export interface PollerInput {
  readonly url: string;
  readonly table: string;
  readonly firstId: number;
  readonly rows: number;
  /** Between an answer and the next look. */
  readonly pauseMs: number;
  readonly deadlineMs: number;
}

export interface PollerResult {
  /** Steady time of the answer that first held each row, by its number; 0: never. */
  readonly seenAt: readonly number[];
  /** Time from one answer to the next, on average: a row may have been visible for that long. */
  readonly periodMs: number;
}

export interface FlowLoopInput {
  /** Which flow: see flow-loop.ts. */
  readonly flow: 'quick-start' | 'quick-start-texts' | 'five' | 'pass';
  /** Whether its functions are called by hand, one after the other, in place of the flow. */
  readonly isByHand: boolean;
  readonly rows: number;
}

export interface FlowLoopResult {
  readonly rows: number;
  readonly functions: number;
  readonly seconds: number;
  readonly allocatedBytesPerRow: number;
}

export interface SnapshotInput {
  readonly url: string;
  /** How many chunks are read at once. */
  readonly parallel: number;
}

export interface SnapshotResult extends RunResult {
  readonly cpuSeconds: number;
}

export const snapshotToFlow: Script<SnapshotInput, SnapshotResult> = { file: new URL('./snapshot-to-flow.ts', import.meta.url) };
export const flowLoop: Script<FlowLoopInput, FlowLoopResult> = { file: new URL('./flow-loop.ts', import.meta.url) };
export const zongjiAlone: Script<ReadInput, RunResult> = { file: new URL('./zongji-alone.ts', import.meta.url) };
export const sourceAlone: Script<DecodeInput, RunResult> = { file: new URL('./source-alone.ts', import.meta.url) };
export const sourceToFlow: Script<ReadInput, RunResult> = { file: new URL('./source-to-flow.ts', import.meta.url) };
export const upsertLoop: Script<UpsertInput, RunResult> = { file: new URL('./upsert-loop.ts', import.meta.url) };
export const commitWriter: Script<WriterInput, WriterResult> = { file: new URL('./commit-writer.ts', import.meta.url) };
export const visiblePoller: Script<PollerInput, PollerResult> = { file: new URL('./visible-poller.ts', import.meta.url) };
