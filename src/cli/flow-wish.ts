import { makeFlowWish, outcomeDocument, type FlowWishKind, type WishOutcome } from '../daemon/operate/flow-wish.ts';
import type { CommandContext } from './command.ts';
import { withExistingStore } from './existing-store.ts';

/** Makes the wish of the flow that the command line names, and prints what became of it: a line, or one JSON document. */
export async function wishFlow(context: CommandContext, wish: FlowWishKind): Promise<WishOutcome> {
  const flow = context.positionals[0] ?? '';
  const onWait = ({ state }: WishOutcome['after']): void => context.progress(`waiting for the daemon that runs ${flow}: ${state}`);
  const outcome = await withExistingStore(context, (project) =>
    makeFlowWish({ ...project, flow, wish, onWait, signal: context.stop }),
  );
  const document = outcomeDocument(outcome, wish);
  context.print(context.json ? JSON.stringify(document) : document.message);
  return outcome;
}
