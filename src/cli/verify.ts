import { requestVerify } from '../daemon/operate/request-verify.ts';
import { scheduleAsked, verifyAsked } from '../daemon/operate/run-asked.ts';
import { UsageError, type Command } from './command.ts';
import { withExistingStore } from './existing-store.ts';
import { placeOf, readAsked } from './runs/asked.ts';
import { showBegun } from './runs/begin.ts';
import { printVerification } from './verify/report.ts';
import { scheduleVerify } from './verify/schedule.ts';

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
    const { repair, every, detach, 'rows-per-second': text } = context.options;
    const rate = Number(text);
    const values = { repair, rowsPerSecond: text === undefined || Number.isNaN(rate) ? text : rate };
    const names = { rowsPerSecond: 'rows-per-second' };
    if (every !== undefined) {
      if (detach === true) throw new UsageError('--every begins no run, so there is none to --detach from.');
      const asked = readAsked(scheduleAsked, { ...values, every }, names);
      return withExistingStore(context, (project) => scheduleVerify(context, project, asked));
    }
    const asked = readAsked(verifyAsked, values, names);
    return withExistingStore(context, async (project) => {
      const run = await requestVerify(placeOf(context, project), context.positionals[0] ?? '', asked);
      return showBegun({ context, project, run, report: printVerification });
    });
  },
};
