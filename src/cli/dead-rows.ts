import { CodedError } from '../lib/error.ts';
import { nearest } from '../config/nearest.ts';
import type { Store } from '../store/open.ts';
import { exitCode, UsageError, type Command, type CommandContext } from './command.ts';
import { printDeadRow } from './dead-rows/show.ts';
import { printDeadRows } from './dead-rows/list.ts';
import { wishRows } from './dead-rows/wish.ts';
import { withExistingStore, type OpenProject } from './existing-store.ts';

const actions = ['list', 'show', 'retry', 'discard'] as const;

/** Rows that flows could not process: all of them, or one with its change; and what is to become of them. */
export const deadRows: Command = {
  usage:
    'list [--flow FLOW] [--code CODE] [--state STATE] [--limit N] | show ID | retry|discard [ID…] [--flow FLOW] [--code CODE] [--all] [--wait SECONDS] [--out-of-order]',
  positionals: [1, 10_000],
  options: {
    flow: { type: 'string' },
    code: { type: 'string' },
    state: { type: 'string' },
    limit: { type: 'string' },
    all: { type: 'boolean' },
    wait: { type: 'string' },
    'out-of-order': { type: 'boolean' },
  },
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
  const [name = '', ...ids] = context.positionals;
  const [id, more] = ids;
  const action = actions.find((one) => one === name);
  switch (action) {
    case 'list':
      if (id !== undefined) throw new UsageError(`list takes no argument; \`kisflow dead-rows show ${id}\` shows one.`);
      await printDeadRows(context, store);
      return exitCode.done;
    case 'show':
      if (id === undefined || more !== undefined)
        throw new UsageError('show takes one number that `kisflow dead-rows list` names.');
      await printDeadRow({ context, store, id });
      return exitCode.done;
    case 'retry':
    case 'discard':
      return wishRows({ context, project, store, wish: action, ids });
    case undefined:
      throw new UsageError(`There is no \`kisflow dead-rows ${name}\`: write ${nearest(name, actions) ?? actions.join(', ')}.`);
    default:
      return action satisfies never;
  }
}
