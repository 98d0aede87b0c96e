import type { Configuration } from '../../config/configuration.ts';
import { unknownName } from '../../config/unknown-name.ts';
import { sleep } from '../../lib/abort.ts';
import { CodedError } from '../../lib/error.ts';
import type { Store } from '../../store/open.ts';
import { FlowRecords } from '../flow-record.ts';
import { readFlowStatus, type FlowStatus } from './flow-status.ts';

/** How long whoever wishes something waits for the daemon to take notice: it looks about once a second. */
const noticeMs = 5000;
const pollMs = 100;

/** What an operator can want of a flow: `pauseFlow` or `resumeFlow`. */
export interface FlowWishKind {
  readonly wanted: 'run' | 'pause';
  /** Whether the flow got where the wish wanted it, or cannot get there. */
  readonly isSettled: (now: FlowStatus) => boolean;
  /** What became of it, in a sentence or two. */
  readonly describe: (outcome: WishOutcome) => string;
}

/** A flow before the wish was written, and at the end of the wait for the daemon. */
export interface WishOutcome {
  readonly before: FlowStatus;
  readonly after: FlowStatus;
}

export interface FlowWishOptions {
  readonly configuration: Pick<Configuration, 'flows'>;
  /** Undefined where kisflow's own tables are not in the store. */
  readonly store: Store | undefined;
  readonly flow: string;
  readonly wish: FlowWishKind;
  /** Told again and again while it is waited for the daemon. */
  readonly onWait?: ((now: FlowStatus) => void) | undefined;
  /** Ends the wait. */
  readonly signal: AbortSignal;
}

/**
 * Writes what an operator wants of a flow, and waits for the daemon that holds it, if one does, to act on it. It is done by the store, so
 * it does not matter whose flow it is. Rejects with NAME_UNKNOWN for a flow that neither the configuration nor the store knows.
 */
export async function makeFlowWish(options: FlowWishOptions): Promise<WishOutcome> {
  const { configuration, store, flow, wish } = options;
  const flows = await readStatus(configuration, store);
  const before = flows.find((one) => one.flow === flow);
  if (before === undefined) {
    const known = flows.map((one) => one.flow);
    throw unknownName('flow', flow, known);
  }
  if (store === undefined) {
    throw new CodedError('STORE_TABLE_MISSING', `Flow ${flow} has never run: kisflow's own tables are not in the store yet.`);
  }
  await writeWish(store, before, wish.wanted);
  return { before, after: await waitForDaemon({ ...options, store }, before) };
}

/** The outcome as one document, with its sentence. */
export function outcomeDocument({ before, after }: WishOutcome, { describe }: FlowWishKind) {
  const { flow, state, wanted, holder, isHeld, error } = after;
  return { flow, before: before.state, state, wanted, holder, isHeld, error, message: describe({ before, after }) };
}

/** Nobody asks here how many dead rows there are. */
function readStatus(configuration: FlowWishOptions['configuration'], store: Store | undefined): Promise<readonly FlowStatus[]> {
  return readFlowStatus(configuration, store, { deadRowsMax: 1 });
}

async function writeWish(store: Store, flow: FlowStatus, wanted: FlowWishKind['wanted']): Promise<void> {
  const records = new FlowRecords(store);
  if (await records.setWish(flow.flow, wanted)) return;
  if (wanted === 'run') return; // a flow that has no record runs when a daemon starts
  await records.setState(flow.flow, 'paused');
  await records.setWish(flow.flow, wanted);
}

async function waitForDaemon(options: FlowWishOptions & { readonly store: Store }, before: FlowStatus): Promise<FlowStatus> {
  const { configuration, store, wish, onWait, signal } = options;
  const until = performance.now() + noticeMs;
  for (;;) {
    const now = (await readStatus(configuration, store)).find(({ flow }) => flow === before.flow) ?? before;
    // A flow that was paused before its daemon started is held by nobody, and may run all the same.
    const mayMove = now.isHeld || (wish.wanted === 'run' && before.state === 'paused');
    if (!mayMove || wish.isSettled(now) || performance.now() >= until || signal.aborted) return now;
    onWait?.(now);
    await sleep(pollMs, signal);
  }
}
