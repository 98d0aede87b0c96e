import { requestVerify, requireVerifiable } from '../daemon/operate/request-verify.ts';
import { verifyAsked } from '../daemon/operate/run-asked.ts';
import type { Command } from './command.ts';
import { withExistingStore } from './existing-store.ts';
import { placeOf, readAsked } from './runs/asked.ts';
import { showBegun } from './runs/begin.ts';
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
    const { repair, 'rows-per-second': text } = context.options;
    const rate = Number(text);
    const rowsPerSecond = text === undefined || Number.isNaN(rate) ? text : rate;
    const asked = readAsked(verifyAsked, { repair, rowsPerSecond }, { rowsPerSecond: 'rows-per-second' });
    const [flow = ''] = context.positionals;
    return withExistingStore(context, async (project) => {
      if (every === 'off') return endSchedule(context, project);
      const place = placeOf(context, project);
      if (every !== undefined)
        return scheduleVerify(context, await requireVerifiable(place, flow, asked), { everyMs: every, options: asked });
      const run = await requestVerify(place, flow, asked);
      return showBegun({ context, project, run, report: printVerification });
    });
  },
};
