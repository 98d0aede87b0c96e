import { CodedError } from '../lib/error.ts';
import { nearest } from '../config/nearest.ts';
import type { Store } from '../store/open.ts';
import { exitCode, type Command, type CommandContext } from './command.ts';
import { printDeadRow } from './dead-rows/show.ts';
import { printDeadRows } from './dead-rows/list.ts';
import { withExistingStore } from './existing-store.ts';

const actions = ['list', 'show'] as const;

/** Rows that flows could not process: all of them, or one with its change. */
export const deadRows: Command = {
  name: 'dead-rows',
  usage: 'list | show ID [--flow FLOW] [--code CODE] [--limit N]',
  summary: 'list the rows that flows could not process, the latest first; or show one with its reason and its values',
  positionals: [1, 2],
  options: { flow: { type: 'string' }, code: { type: 'string' }, limit: { type: 'string' } },
  run: (context) =>
    withExistingStore(context, async ({ store }) => {
      if (store === undefined) {
        throw new CodedError('STORE_TABLE_MISSING', "kisflow's own tables are not in the store yet: no daemon has run on it.");
      }
      await act(context, store);
      return exitCode.done;
    }),
};

async function act(context: CommandContext, store: Store): Promise<void> {
  const [name = '', id] = context.positionals;
  const action = actions.find((one) => one === name);
  switch (action) {
    case 'list':
      if (id !== undefined)
        throw new CodedError('NAME_UNKNOWN', `dead-rows list takes no argument; \`kisflow dead-rows show ${id}\` shows one.`);
      return printDeadRows(context, store);
    case 'show':
      if (id === undefined)
        throw new CodedError('NAME_UNKNOWN', 'dead-rows show takes the number that `kisflow dead-rows list` names.');
      return printDeadRow({ context, store, id });
    case undefined:
      throw new CodedError(
        'NAME_UNKNOWN',
        `There is no \`kisflow dead-rows ${name}\`: write ${nearest(name, actions) ?? 'list or show'}.`,
      );
    default:
      action satisfies never;
  }
}
