import { checkAssembly } from '../../daemon/build-assembly.ts';
import { hashChanges, readFlowChanges, writeFlowChange, type StoredChange } from '../../daemon/flow-change-record.ts';
import { ProjectFiles } from '../../daemon/project-files.ts';
import { readReloads, type ReloadStatus } from '../../daemon/reload-record.ts';
import { sleep } from '../../lib/abort.ts';
import { CodedError } from '../../lib/error.ts';
import { migrate } from '../../store/migrate.ts';
import { openStore, type Store } from '../../store/open.ts';
import type { CommandContext } from '../command.ts';
import { unknownName } from '../../config/unknown-name.ts';
import { storeDeadlines } from '../existing-store.ts';
import { readKnownFields } from '../known-fields.ts';
import { requireStoreUrl } from '../project.ts';
import type { ChangePlan } from './plan-change.ts';

/** How long a command waits for running daemons: they look twice a second. */
const noticeMs = 5000;
const pollMs = 100;

export interface KeepOptions {
  readonly flow: string;
  readonly plan: (stored: readonly StoredChange[]) => ChangePlan;
  /** A flow that is in the store only may be reset. */
  readonly isReset: boolean;
}

/** What the daemons that are alive made of the changes; empty when there is none. */
export type Notice = readonly (ReloadStatus & { readonly hasSeen: boolean })[];

/** Examines the project with the change, keeps it in the store if nothing is wrong, and waits for the running daemons to see it. */
export async function keepChange(context: CommandContext, options: KeepOptions): Promise<Notice> {
  const files = new ProjectFiles(context);
  const written = await files.load();
  const store = await openStore({
    url: requireStoreUrl(written.configuration),
    ...storeDeadlines,
    logger: context.logger,
  });
  try {
    await migrate({ store, logger: context.logger });
    const known = new Set(written.configuration.flows.keys());
    await underLock(store, async () => {
      const stored = await readFlowChanges(store);
      if (options.isReset) for (const { change } of stored) known.add(change.flow);
      if (!known.has(options.flow)) throw unknownName('flow', options.flow, known);
      const plan = options.plan(stored);
      await examine(context, files, { store, plan, stored, isReset: options.isReset });
      await store.transaction((transaction) => writeFlowChange(transaction, plan.added, plan.instead));
    });
    return await waitForDaemons(context, store);
  } finally {
    await store.close();
  }
}

/** Rejects with all that would be wrong. Changes that do not fit as they are now can be taken back whatever else is wrong. */
async function examine(
  context: CommandContext,
  files: ProjectFiles,
  options: {
    readonly store: Store;
    readonly plan: ChangePlan;
    readonly stored: readonly StoredChange[];
    readonly isReset: boolean;
  },
): Promise<void> {
  const { store, plan, stored, isReset } = options;
  const check = async (changes: ChangePlan['next']): Promise<void> => {
    const project = await files.load(changes);
    const known = await readKnownFields(project.configuration, context.stop);
    checkAssembly(project, { storeDatabase: store.database, known });
  };
  try {
    await check(plan.next);
  } catch (error) {
    if (!isReset || !(error instanceof CodedError) || error.code !== 'CONFIG_INVALID') throw error;
    const isWrongNow = await check(stored.map(({ change }) => change)).then(
      () => false,
      () => true,
    );
    if (!isWrongNow) throw error;
  }
}

/** Two commands at once would each be examined without the other. */
async function underLock(store: Store, work: () => Promise<void>): Promise<void> {
  const session = await store.openSession();
  try {
    const { rows } = await session.query("SELECT GET_LOCK(CONCAT('kisc:', SHA2(DATABASE(), 224)), 10) AS got");
    if (Number(rows[0]?.['got']) !== 1) {
      throw new CodedError('STORE_TIMEOUT', 'Another command changes flows and does not end.', { class: 'retry' });
    }
    await work();
  } finally {
    await session.close(); // which gives the lock back
  }
}

async function waitForDaemons(context: CommandContext, store: Store): Promise<Notice> {
  const hash = hashChanges((await readFlowChanges(store)).map(({ change }) => change));
  const until = performance.now() + noticeMs;
  for (;;) {
    const daemons = (await readReloads(store)).map((status) => ({ ...status, hasSeen: status.changesHash === hash }));
    if (daemons.every(({ hasSeen }) => hasSeen) || performance.now() >= until || context.stop.aborted) return daemons;
    context.progress('waiting for the daemons to see the change');
    await sleep(pollMs, context.stop);
  }
}
