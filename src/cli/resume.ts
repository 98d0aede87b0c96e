import { hasFailedAgain, resumeFlow } from '../daemon/operate/flow-wishes.ts';
import { exitCode, type Command } from './command.ts';
import { wishFlow } from './flow-wish.ts';

/** Lets a paused flow go on, or a failed one try again, from its checkpoint. Exit 1 when it failed again at once. */
export const resume: Command = {
  usage: 'FLOW',
  positionals: [1, 1],
  async run(context) {
    const { after } = await wishFlow(context, resumeFlow);
    return hasFailedAgain(after) ? exitCode.failed : exitCode.done;
  },
};
