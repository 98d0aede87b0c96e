import { requestSnapshot } from '../daemon/operate/request-snapshot.ts';
import { snapshotAsked } from '../daemon/operate/run-asked.ts';
import type { Command } from './command.ts';
import { withExistingStore } from './existing-store.ts';
import { placeOf, readAsked } from './runs/asked.ts';
import { showBegun } from './runs/begin.ts';

/** Has a flow's tables read as they are, beside the stream. Exit 1 when that failed, was cancelled, or was left before it ended. */
export const snapshot: Command = {
  usage: 'FLOW [--table SCHEMA.TABLE]… [--where SQL] [--detach]',
  positionals: [1, 1],
  options: {
    table: { type: 'string', multiple: true },
    where: { type: 'string' },
    detach: { type: 'boolean' },
  },
  run: (context) =>
    withExistingStore(context, async (project) => {
      const { table: tables, where } = context.options;
      const asked = readAsked(snapshotAsked, { tables, where }, { tables: 'table' });
      const run = await requestSnapshot(placeOf(context, project), context.positionals[0] ?? '', asked);
      return showBegun({ context, project, run });
    }),
};
