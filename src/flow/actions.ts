import type { Action } from './contract.ts';

/** Passes the function's input on to the next function and drops what it committed. */
export function reuse(): Action {
  return reuseAction;
}

/** Runs the next function even when nothing was committed; it then receives no rows. */
export function forceNext(): Action {
  return forceNextAction;
}

/** Ends the run behind this function, whatever it committed. */
export function abort(): Action {
  return abortAction;
}

/** Goes on at the named function of the flow, with the rows which that function received before. */
export function jump(fname: string): Action {
  return { kind: 'jump', fname };
}

const reuseAction: Action = Object.freeze({ kind: 'reuse' });
const forceNextAction: Action = Object.freeze({ kind: 'forceNext' });
const abortAction: Action = Object.freeze({ kind: 'abort' });

/** What several actions say together. */
export interface NextStep {
  readonly isReuse: boolean;
  readonly isForced: boolean;
  readonly isAbort: boolean;
  /** The function to go on at; of several jumps the last one counts. */
  readonly jumpTo: string | undefined;
}

const goOn: NextStep = { isReuse: false, isForced: false, isAbort: false, jumpTo: undefined };

/** Reads a function's actions; their order does not matter, except among jumps. */
export function combineActions(actions: readonly Action[]): NextStep {
  if (actions.length === 0) return goOn;
  const jumps = actions.filter((action) => action.kind === 'jump');
  return {
    isReuse: actions.some((action) => action.kind === 'reuse'),
    isForced: actions.some((action) => action.kind === 'forceNext'),
    isAbort: actions.some((action) => action.kind === 'abort'),
    jumpTo: jumps.at(-1)?.fname,
  };
}

/** KisFlow's names for the same actions: `flow.next(ActionDataReuse)`, `flow.next(ActionJumpFunc('name'))`. */
export const ActionDataReuse: Action = reuseAction;
/** @see ActionDataReuse */
export const ActionForceEntryNext: Action = forceNextAction;
/** @see ActionDataReuse */
export const ActionAbort: Action = abortAction;
/** @see ActionDataReuse */
export const ActionJumpFunc: (fname: string) => Action = jump;
