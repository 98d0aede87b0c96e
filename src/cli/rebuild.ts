import { ownedColumns, tablesToRebuild } from '../config/shadow-plan.ts';
import { CodedError } from '../lib/error.ts';
import { requireRebuildable } from '../repair/shadow-tables.ts';
import { createRun, readRun } from '../repair/run-record.ts';
import { parseStart } from '../row/position.ts';
import { shadowDatabaseOf } from '../row/shadow-database.ts';
import type { Store } from '../store/open.ts';
import { exitCode, UsageError, type Command, type CommandContext } from './command.ts';
import { withExistingStore, type OpenProject } from './existing-store.ts';
import { unknownName } from '../config/unknown-name.ts';
import { followRun, howToEnd, printRun, whyItStands } from './runs/follow.ts';

/** Has a flow computed anew beside its tables, and swapped in. Exit 1 when that failed, was cancelled, or was left before it ended. */
export const rebuild: Command = {
  usage: 'FLOW [--from POSITION] [--detach]',
  positionals: [1, 1],
  options: {
    from: { type: 'string' },
    detach: { type: 'boolean' },
  },
  run: (context) =>
    withExistingStore(context, async (project) => {
      const store = await examine(context, project);
      const { from, detach } = context.options;
      const id = await createRun(store, {
        flow: context.positionals[0] ?? '',
        kind: 'rebuild',
        isStart: false,
        options: from === undefined ? {} : { from: String(from) },
      });
      if (detach !== true) return followRun({ context, project, store, id });
      const run = await readRun(store, id);
      const standing = await whyItStands({ project, store }, run);
      printRun(context, run, standing === undefined ? howToEnd(run) : `${howToEnd(run)} Now it is ${standing}.`);
      return exitCode.done;
    }),
};

/** Everything that can be wrong with what is asked, as far as it shows from here; the store, which a flow that has run has. */
async function examine(context: CommandContext, { configuration, store }: OpenProject): Promise<Store> {
  const [flow = ''] = context.positionals;
  const { from } = context.options;
  if (from !== undefined && parseStart(String(from)) === undefined) {
    throw new UsageError(`--from takes earliest, a position (file:offset), a GTID set or a time, not "${String(from)}".`);
  }
  const spec = configuration.flows.get(flow);
  if (spec === undefined) throw unknownName('flow', flow, configuration.flows.keys());
  if (store === undefined) throw new CodedError('REBUILD_IMPOSSIBLE', `Flow ${flow} cannot be rebuilt: it has never run.`);
  const main = store.database;
  const tables = tablesToRebuild(configuration, spec, main);
  const owned = ownedColumns(configuration, spec, main);
  await requireRebuildable(store, { flow, main, shadow: shadowDatabaseOf(main, flow), tables, owned });
  return store;
}
