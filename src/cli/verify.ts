import { tablesToRebuild } from '../config/shadow-plan.ts';
import { CodedError } from '../lib/error.ts';
import { createRun, readRun } from '../repair/run-record.ts';
import type { VerifyOptions } from '../repair/verify-schedule.ts';
import { requireNoState } from '../repair/verify-state.ts';
import type { Store } from '../store/open.ts';
import { exitCode, UsageError, type Command, type CommandContext } from './command.ts';
import { withExistingStore, type OpenProject } from './existing-store.ts';
import { unknownName } from '../config/unknown-name.ts';
import { followRun, howToEnd, printRun, whyItStands } from './runs/follow.ts';
import { printVerification } from './verify/report.ts';
import { endSchedule, readEvery, scheduleVerify } from './verify/schedule.ts';

/**
 * Has a flow computed anew beside its tables, and says in what they differ. Exit 0: they are right, or were mended; 1: they are not. With
 * --every it has that done again and again, and waits for none of it.
 */
export const verify: Command = {
  usage: 'FLOW [--repair] [--rows-per-second N] [--detach | --every 6h | --every off]',
  positionals: [1, 1],
  options: {
    repair: { type: 'boolean' },
    'rows-per-second': { type: 'string' },
    detach: { type: 'boolean' },
    every: { type: 'string' },
  },
  run: async (context) => {
    const every = readEvery(context.options);
    const rowsPerSecond = readRate(context.options['rows-per-second']);
    const options = { repair: context.options['repair'] === true, ...(rowsPerSecond === undefined ? {} : { rowsPerSecond }) };
    return withExistingStore(context, async (project) => {
      if (every === 'off') return endSchedule(context, project);
      const store = await examine(context, project);
      if (every !== undefined) return scheduleVerify(context, store, { everyMs: every, options });
      return runOnce(context, { project, store, options });
    });
  },
};

async function runOnce(
  context: CommandContext,
  { project, store, options }: { readonly project: OpenProject; readonly store: Store; readonly options: VerifyOptions },
): Promise<number> {
  const id = await createRun(store, { flow: context.positionals[0] ?? '', kind: 'verify', isStart: false, options });
  if (context.options['detach'] !== true)
    return followRun({ context, project, store, id, report: (run) => printVerification(context, store, run) });
  const run = await readRun(store, id);
  const standing = await whyItStands({ project, store }, run);
  printRun(context, run, standing === undefined ? howToEnd(run) : `${howToEnd(run)} Now it is ${standing}.`);
  return exitCode.done;
}

function readRate(text: CommandContext['options'][string]): number | undefined {
  if (text === undefined) return undefined;
  const rate = Number(text);
  if (Number.isFinite(rate) && rate >= 1) return rate;
  throw new UsageError(`--rows-per-second takes a number of at least 1, not "${String(text)}".`);
}

/** Everything that can be wrong with what is asked, as far as it shows from here; the store, which a flow that has run has. */
async function examine(context: CommandContext, { configuration, store }: OpenProject): Promise<Store> {
  const [flow = ''] = context.positionals;
  const spec = configuration.flows.get(flow);
  if (spec === undefined) throw unknownName('flow', flow, configuration.flows.keys());
  if (store === undefined) throw new CodedError('VERIFY_IMPOSSIBLE', `Flow ${flow} cannot be verified: it has never run.`);
  try {
    tablesToRebuild(configuration, spec, store.database);
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'REBUILD_IMPOSSIBLE') throw error;
    throw new CodedError('VERIFY_IMPOSSIBLE', error.message.replace('cannot be rebuilt', 'cannot be verified'), { cause: error });
  }
  if (context.options['repair'] === true) await requireNoState(store, [store.database], flow);
  return store;
}
