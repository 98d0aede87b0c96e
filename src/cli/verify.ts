import { requestVerify } from '../daemon/operate/request-verify.ts';
import { verifyAsked } from '../daemon/operate/run-asked.ts';
import type { Command } from './command.ts';
import { withExistingStore } from './existing-store.ts';
import { placeOf, readAsked } from './runs/asked.ts';
import { showBegun } from './runs/begin.ts';
import { printVerification } from './verify/report.ts';

/** Has a flow computed anew beside its tables, and says in what they differ. Exit 0: they are right, or were mended; 1: they are not. */
export const verify: Command = {
  usage: 'FLOW [--repair] [--rows-per-second N] [--detach]',
  positionals: [1, 1],
  options: {
    repair: { type: 'boolean' },
    'rows-per-second': { type: 'string' },
    detach: { type: 'boolean' },
  },
  run: (context) =>
    withExistingStore(context, async (project) => {
      const { repair, 'rows-per-second': text } = context.options;
      const rate = Number(text);
      const rowsPerSecond = text === undefined || Number.isNaN(rate) ? text : rate;
      const asked = readAsked(verifyAsked, { repair, rowsPerSecond }, { rowsPerSecond: 'rows-per-second' });
      const run = await requestVerify(placeOf(context, project), context.positionals[0] ?? '', asked);
      return showBegun({ context, project, run, report: printVerification });
    }),
};
