import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { ChainPlace, FlowChange } from '../config/flow-change.ts';
import { CodedError } from '../lib/error.ts';
import type { Row } from '../row/change.ts';
import type { StoreResult, StoreTransaction } from '../store/contract.ts';
import { errnoOf } from '../store/errors.ts';

/** Anything that runs a statement. */
interface Queryable {
  query(sql: string, params?: readonly unknown[]): Promise<StoreResult>;
}

/** A change as the store keeps it. */
export interface StoredChange {
  readonly id: number;
  readonly change: FlowChange;
}

const selectAll = 'SELECT id, flow, kind, fname, place, anchor, params, status FROM kis_flow_change ORDER BY id';

/** All changes by command, in the order in which they were made; none in a store that has no place for them yet. */
export async function readFlowChanges(store: Queryable): Promise<readonly StoredChange[]> {
  try {
    const { rows } = await store.query(selectAll);
    return rows.map((row) => ({ id: Number(row['id']), change: decode(row) }));
  } catch (error) {
    if (errnoOf(error) === 1146) return [];
    throw error;
  }
}

/** Differs when the changes do: what daemons and commands know them by. */
export function hashChanges(changes: readonly FlowChange[]): string {
  return createHash('sha256').update(JSON.stringify(changes)).digest('hex');
}

/** Keeps one more change; with `instead`, in the place of these. */
export async function writeFlowChange(
  transaction: StoreTransaction,
  change: FlowChange | undefined,
  instead: readonly number[],
): Promise<void> {
  if (instead.length > 0) await transaction.query('DELETE FROM kis_flow_change WHERE id IN (?)', [instead]);
  if (change === undefined) return;
  const { place, anchor } = placeOf(change);
  await transaction.query(
    `INSERT INTO kis_flow_change (flow, kind, fname, place, anchor, params, status, made_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(3))`,
    [
      change.flow,
      change.kind,
      change.kind === 'set-status' ? null : change.fname,
      place,
      anchor,
      change.kind === 'add-function' ? JSON.stringify(change.params) : null,
      change.kind === 'set-status' ? change.status : null,
    ],
  );
}

function placeOf(change: FlowChange): { readonly place: string | null; readonly anchor: string | null } {
  if (change.kind !== 'add-function') return { place: null, anchor: null };
  const { place } = change;
  return { place: place.kind, anchor: place.kind === 'end' ? null : place.fname };
}

const params = z.record(z.string(), z.string());

function decode(row: Row): FlowChange {
  const flow = String(row['flow']);
  const fname = String(row['fname']);
  switch (String(row['kind'])) {
    case 'set-status':
      return { kind: 'set-status', flow, status: Number(row['status']) === 1 ? 1 : 0 };
    case 'remove-function':
      return { kind: 'remove-function', flow, fname };
    case 'add-function':
      return {
        kind: 'add-function',
        flow,
        fname,
        place: decodePlace(row),
        params: params.parse(JSON.parse(String(row['params']))),
      };
    default:
      throw new CodedError(
        'CONFIG_INVALID',
        `The store holds a change of flow ${flow} that this version does not know (${String(row['kind'])}): use the version that made it, or \`kisflow flow reset ${flow}\`.`,
      );
  }
}

function decodePlace(row: Row): ChainPlace {
  const fname = String(row['anchor']);
  if (row['place'] === 'before') return { kind: 'before', fname };
  return row['place'] === 'after' ? { kind: 'after', fname } : { kind: 'end' };
}
