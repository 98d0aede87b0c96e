import type { FlowChange } from '../../config/flow-change.ts';
import type { StoredChange } from '../../daemon/flow-change-record.ts';

/** How the store is to be written so that a change is kept. */
export interface ChangePlan {
  /** All changes afterwards, in order. */
  readonly next: readonly FlowChange[];
  /** Ids of the changes that go. */
  readonly instead: readonly number[];
  /** The change that comes; undefined when it only takes another one back. */
  readonly added: FlowChange | undefined;
}

/** Keeps the list short: a status takes the place of the one before, and removing a function that a change added takes that back. */
export function planChange(stored: readonly StoredChange[], change: FlowChange): ChangePlan {
  const own = stored.filter((other) => other.change.flow === change.flow);
  if (change.kind === 'set-status') {
    return without(
      stored,
      own.filter((other) => other.change.kind === 'set-status'),
      change,
    );
  }
  const last = own.findLast((other) => other.change.kind !== 'set-status' && other.change.fname === change.fname);
  const isTakenBack = change.kind === 'remove-function' && last?.change.kind === 'add-function' && !isAnchor(own, change.fname);
  return isTakenBack && last !== undefined ? without(stored, [last], undefined) : without(stored, [], change);
}

/** Takes all changes of a flow back. */
export function planReset(stored: readonly StoredChange[], flow: string): ChangePlan {
  return without(
    stored,
    stored.filter(({ change }) => change.flow === flow),
    undefined,
  );
}

/** Whether another function was put before or after this one. */
function isAnchor(own: readonly StoredChange[], fname: string): boolean {
  return own.some(({ change }) => change.kind === 'add-function' && change.place.kind !== 'end' && change.place.fname === fname);
}

function without(stored: readonly StoredChange[], gone: readonly StoredChange[], added: FlowChange | undefined): ChangePlan {
  const kept = stored.filter((one) => !gone.includes(one)).map(({ change }) => change);
  return { next: added === undefined ? kept : [...kept, added], instead: gone.map(({ id }) => id), added };
}
