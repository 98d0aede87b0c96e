import { claimIntents, keepIntents, remainingIntents, type IntendedBatch, type IntentOwner } from '../checkpoint/intent.ts';
import type { Logger } from '../lib/logger.ts';
import { formatPosition } from '../row/position.ts';
import type { Store } from '../store/open.ts';
import { batchOrigin, type Batch } from './batch.ts';
import { IntendedCuts } from './intended-cuts.ts';

export interface IntentLogOptions extends IntentOwner {
  readonly store: Pick<Store, 'query' | 'maxPacketBytes'>;
  readonly tablesHash: string;
  readonly hasGtid: boolean;
  readonly logger: Logger;
}

/**
 * What one flow is about to run, under one lease: read once at its beginning, where it writes outside the store, and kept before each
 * batch that does. A flow that writes in the store only costs nothing here.
 */
export class IntentLog {
  readonly #options: IntentLogOptions;
  #cuts: IntendedCuts;
  #isClaimed = false;
  /** What the store holds; undefined while that is not certain. */
  #kept: string | undefined;

  constructor(options: IntentLogOptions) {
    this.#options = options;
    this.#cuts = new IntendedCuts({ batches: [], hasGtid: options.hasGtid });
  }

  /** What is to be cut again; to be asked for after `restore`. */
  get cuts(): IntendedCuts {
    return this.#cuts;
  }

  /** Finds out what was about to run when the flow last ended behind this checkpoint. */
  async restore(at: { readonly sequence: number; readonly fingerprint: string }): Promise<void> {
    const { store, flow, tablesHash, hasGtid, logger } = this.#options;
    const kept = await claimIntents(store, this.#options);
    this.#isClaimed = true;
    const { batches, isLost } = remainingIntents(kept, { ...at, tablesHash });
    if (isLost) logger.warn({ flow }, `${notAgain}: source.tables has changed since`);
    else if (batches.length > 0) logger.info({ flow, batches: batches.length }, 'batches that were under way are cut again');
    const onMisfit = ({ end, size }: IntendedBatch): void => {
      const fields = { flow, size, end: formatPosition(end) };
      logger.warn(fields, `${notAgain}: other changes lie between the checkpoint and their end`);
    };
    this.#cuts = new IntendedCuts({ batches, hasGtid, onMisfit });
  }

  /** Keeps the batches that are not known to be committed, the first of which continues this sequence number, and those to be cut again. */
  async keep(batches: readonly Batch[], at: { readonly sequence: number; readonly fingerprint: string }): Promise<void> {
    const { store, flow, tablesHash } = this.#options;
    const intended = [...batches.map((batch) => intentOf(flow, batch)), ...this.#cuts.batches];
    const text = JSON.stringify([at, intended]);
    if (text === this.#kept) return;
    if (!this.#isClaimed) await claimIntents(store, this.#options);
    this.#isClaimed = true;
    this.#kept = undefined;
    await keepIntents(store, this.#options, { ...at, tablesHash, batches: intended }, store.maxPacketBytes);
    this.#kept = text;
  }
}

const notAgain = 'batches that were under way cannot be cut again, so what they wrote outside the store may be written twice';

function intentOf(flow: string, batch: Batch): IntendedBatch {
  const { size, end, dead, deadRounds } = batch;
  return { origin: batchOrigin(flow, batch), size, end, dead, deadRounds };
}
