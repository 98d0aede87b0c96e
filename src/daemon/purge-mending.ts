import { CodedError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { beginPurgeRebuild, readLastRebuild } from '../repair/purge-rebuild.ts';
import { isOpen, type Run } from '../repair/run.ts';
import type { Lease } from '../store/lease.ts';
import type { Store } from '../store/open.ts';

export interface PurgeMendingOptions {
  readonly store: Pick<Store, 'query' | 'transaction'>;
  readonly logger: Logger;
}

/** The part of a flow that decides. */
export interface PurgePolicy {
  readonly onPurged: 'stop' | 'snapshot';
}

/** What a flow does next that cannot go on: `stop` with an error, `wait` for a rebuild, `try` again. */
export type Next = { readonly kind: 'stop'; readonly error: CodedError } | { readonly kind: 'wait' } | { readonly kind: 'try' };

/** What flows do by themselves about a binlog that is gone: those with `on_purged: snapshot` have their tables computed anew. */
export class PurgeMending {
  readonly #options: PurgeMendingOptions;

  constructor(options: PurgeMendingOptions) {
    this.#options = options;
  }

  /** What the flow does, under its lease, about the error that it cannot go on with; a rebuild of it is under way when it is to wait. */
  async begin(lease: Lease, { onPurged }: PurgePolicy, error: CodedError): Promise<Next> {
    if (error.code !== 'SOURCE_PURGED' || onPurged !== 'snapshot') return { kind: 'stop', error };
    const { store, logger } = this.#options;
    const found = await store.transaction((transaction) => beginPurgeRebuild(transaction, lease, error));
    if (found.kind === 'paused') return { kind: 'try' };
    if (found.kind === 'in vain') return { kind: 'stop', error: inVain(error, found.run) };
    const { run, position } = found;
    const about = { flow: lease.flow, code: error.code, error: error.message, lostFrom: position, run };
    const what = found.kind === 'begun' ? 'is rebuilt from a snapshot' : 'waits for the rebuild that is under way';
    logger.warn(
      about,
      `the source no longer has what follows the checkpoint: the flow ${what}, its tables stay as they were until then`,
    );
    return { kind: 'wait' };
  }

  /** Another look, by a flow that waits for its rebuild because of this error. */
  async look(flow: string, error: CodedError): Promise<Next> {
    const run = await readLastRebuild(this.#options.store, flow);
    if (run === undefined || run.state === 'done') return { kind: 'try' };
    return isOpen(run.state) ? { kind: 'wait' } : { kind: 'stop', error: inVain(error, run) };
  }
}

/** What the flow stopped with, and why that was not mended. */
function inVain(error: CodedError, { id, state, errorCode, errorText }: Run): CodedError {
  const why = errorCode === null ? '' : ` (${errorCode}: ${errorText ?? ''})`;
  const said = `${error.message}; its rebuild, run ${id}, ${state === 'cancelled' ? 'was cancelled' : 'has failed'}${why}`;
  return new CodedError(error.code, said, { class: error.class, details: error.details, cause: error });
}
