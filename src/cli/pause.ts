import { pauseFlow } from '../daemon/operate/flow-wishes.ts';
import { exitCode, type Command } from './command.ts';
import { wishFlow } from './flow-wish.ts';

/** Lets a flow commit what it has and hold; it stays paused, over restarts too, until it is resumed. */
export const pause: Command = {
  usage: 'FLOW',
  positionals: [1, 1],
  async run(context) {
    await wishFlow(context, pauseFlow);
    return exitCode.done;
  },
};
