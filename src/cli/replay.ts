import { requestReplay } from '../daemon/operate/request-replay.ts';
import { replayAsked } from '../daemon/operate/run-asked.ts';
import type { Command } from './command.ts';
import { withExistingStore } from './existing-store.ts';
import { placeOf, readAsked } from './runs/asked.ts';
import { showBegun } from './runs/begin.ts';

/** Has a flow run again over a stretch of the binlog. Exit 1 when that failed, was cancelled, or was left before it ended. */
export const replay: Command = {
  usage: 'FLOW --from POSITION [--to POSITION] [--detach]',
  positionals: [1, 1],
  options: { from: { type: 'string' }, to: { type: 'string' }, detach: { type: 'boolean' } },
  run: (context) =>
    withExistingStore(context, async (project) => {
      const { from, to } = context.options;
      const asked = readAsked(replayAsked, { from, to });
      const run = await requestReplay(placeOf(context, project), context.positionals[0] ?? '', asked);
      return showBegun({ context, project, run });
    }),
};
