import { requestRebuild } from '../daemon/operate/request-rebuild.ts';
import { rebuildAsked } from '../daemon/operate/run-asked.ts';
import type { Command } from './command.ts';
import { withExistingStore } from './existing-store.ts';
import { placeOf, readAsked } from './runs/asked.ts';
import { showBegun } from './runs/begin.ts';

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
      const asked = readAsked(rebuildAsked, { from: context.options['from'] });
      const run = await requestRebuild(placeOf(context, project), context.positionals[0] ?? '', asked);
      return showBegun({ context, project, run });
    }),
};
