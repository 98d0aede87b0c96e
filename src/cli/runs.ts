import { nearest } from '../config/nearest.ts';
import { CodedError } from '../lib/error.ts';
import type { Store } from '../store/open.ts';
import { exitCode, UsageError, type Command, type CommandContext } from './command.ts';
import { withExistingStore, type OpenProject } from './existing-store.ts';
import { printRun, printRuns } from './runs/list.ts';
import { wishRun } from './runs/wish.ts';

const actions = ['list', 'show', 'pause', 'resume', 'cancel'] as const;

/** Runs of repair: the latest ones, or one with its tables; and what is to become of one. */
export const runs: Command = {
  usage: '[list [--flow FLOW] [--limit N] | show ID | pause ID | resume ID | cancel ID]',
  positionals: [0, 2],
  options: { flow: { type: 'string' }, limit: { type: 'string' } },
  run: (context) =>
    withExistingStore(context, async (project) => {
      const { store } = project;
      if (store === undefined) {
        throw new CodedError('STORE_TABLE_MISSING', "kisflow's own tables are not in the store yet: no daemon has run on it.");
      }
      return act(context, { project, store });
    }),
};

async function act(
  context: CommandContext,
  { project, store }: { readonly project: OpenProject; readonly store: Store },
): Promise<number> {
  const [name = 'list', id] = context.positionals;
  const action = actions.find((one) => one === name);
  if (action === undefined) {
    throw new UsageError(`There is no \`kisflow runs ${name}\`: write ${nearest(name, actions) ?? actions.join(', ')}.`);
  }
  if (action === 'list') {
    if (id !== undefined) throw new UsageError(`list takes no argument; \`kisflow runs show ${id}\` shows one.`);
    await printRuns(context, store);
    return exitCode.done;
  }
  if (id === undefined) throw new UsageError(`${action} takes the number of a run, which \`kisflow runs\` names.`);
  if (!/^\d{1,20}$/.test(id)) throw new UsageError(`A run has a number, and "${id}" is none.`);
  if (action !== 'show') return wishRun({ context, project, store, id, wish: action });
  await printRun({ context, store, id });
  return exitCode.done;
}
