import type { Configuration } from '../config/configuration.ts';
import { FlowRecords } from '../daemon/flow-record.ts';
import { sleep } from '../lib/abort.ts';
import { CodedError } from '../lib/error.ts';
import type { Store } from '../store/open.ts';
import type { CommandContext } from './command.ts';
import { unknownName, withExistingStore } from './existing-store.ts';
import { readFlowStatus, type FlowStatus } from './flow-status.ts';

/** How long a command waits for the daemon to take notice: it looks about once a second. */
const noticeMs = 5000;
const pollMs = 100;

export interface Wish {
  readonly wanted: 'run' | 'pause';
  /** Whether the flow got where the wish wanted it, or cannot get there. */
  readonly isSettled: (now: FlowStatus) => boolean;
}

/** A flow before the wish was written, and at the end of the wait for the daemon. */
export interface WishOutcome {
  readonly before: FlowStatus;
  readonly after: FlowStatus;
}

/**
 * Writes what an operator wants of a flow, and waits for the daemon that holds it, if one does, to act on it. Rejects with
 * NAME_UNKNOWN for a flow that neither the configuration nor the store knows.
 */
export async function makeWish(context: CommandContext, wish: Wish): Promise<WishOutcome> {
  const name = context.positionals[0] ?? '';
  return withExistingStore(context, async ({ configuration, store }) => {
    const flows = await readFlowStatus(configuration, store);
    const before = flows.find(({ flow }) => flow === name);
    if (before === undefined)
      throw unknownName(
        'flow',
        name,
        flows.map(({ flow }) => flow),
      );
    if (store === undefined) {
      throw new CodedError('STORE_TABLE_MISSING', `Flow ${name} has never run: kisflow's own tables are not in the store yet.`);
    }
    await writeWish(store, before, wish.wanted);
    const after = await waitForDaemon({ context, configuration, store, before, wish });
    return { before, after };
  });
}

async function writeWish(store: Store, flow: FlowStatus, wanted: Wish['wanted']): Promise<void> {
  const records = new FlowRecords(store);
  if (await records.setWish(flow.flow, wanted)) return;
  if (wanted === 'run') return; // a flow that has no record runs when a daemon starts
  await records.setState(flow.flow, 'paused');
  await records.setWish(flow.flow, wanted);
}

interface Wait {
  readonly context: CommandContext;
  readonly configuration: Configuration;
  readonly store: Store;
  readonly before: FlowStatus;
  readonly wish: Wish;
}

async function waitForDaemon({ context, configuration, store, before, wish }: Wait): Promise<FlowStatus> {
  const until = performance.now() + noticeMs;
  for (;;) {
    const now = (await readFlowStatus(configuration, store)).find(({ flow }) => flow === before.flow) ?? before;
    // A flow that was paused before its daemon started is held by nobody, and may run all the same.
    const mayMove = now.isHeld || (wish.wanted === 'run' && before.state === 'paused');
    if (!mayMove || wish.isSettled(now) || performance.now() >= until || context.stop.aborted) return now;
    context.progress(`waiting for the daemon that runs ${before.flow}: ${now.state}`);
    await sleep(pollMs, context.stop);
  }
}

/** The two states and the sentence, as one JSON document or as a line. */
export function printOutcome(context: CommandContext, outcome: WishOutcome, sentence: string): void {
  const { before, after } = outcome;
  const { flow, state, wanted, holder, isHeld, error } = after;
  context.print(
    context.json
      ? JSON.stringify({ flow, before: before.state, state, wanted, holder, isHeld, error, message: sentence })
      : sentence,
  );
}
