import type { Configuration } from '../../config/configuration.ts';
import { unknownName } from '../../config/unknown-name.ts';
import { CodedError } from '../../lib/error.ts';
import { chooseRows, wishable, type ChosenRow } from '../../repair/dead-row-wish.ts';
import type { RowWish } from '../../repair/parked-row.ts';
import type { Store } from '../../store/open.ts';
import { readFlowStatus } from './flow-status.ts';

export interface DeadRowChoice {
  readonly configuration: Pick<Configuration, 'flows'>;
  readonly store: Store;
  readonly wish: RowWish;
  /** These rows; without any, all dead rows that the filter lets through. */
  readonly ids: readonly string[];
  readonly flow?: string | undefined;
  readonly code?: string | undefined;
  /** At most so many, the first ones of which the wish is not known yet; absent: all. */
  readonly limit?: number | undefined;
}

/**
 * The dead rows that an operator means. Rejects with NAME_UNKNOWN for a flow or a row that is not there, with ROW_NOT_DEAD for one that
 * the wish cannot be done to.
 */
export async function chooseDeadRows(choice: DeadRowChoice): Promise<readonly ChosenRow[]> {
  const { configuration, store, wish, ids, flow, code, limit } = choice;
  if (flow !== undefined) {
    const known = (await readFlowStatus(configuration, store, { deadRowsMax: 1 })).map((status) => status.flow);
    if (!known.includes(flow)) throw unknownName('flow', flow, known);
  }
  const rows = await chooseRows(store, { ids, flow, code, unwished: limit === undefined ? undefined : { wish, limit } });
  for (const id of ids) requireDead(rows.find((row) => row.id === id), { id, wish }); // prettier-ignore
  return rows;
}

/** Rows that are left alone, because later changes of their keys have taken effect, apart from the others. */
export function withoutOvertaken(
  chosen: readonly ChosenRow[],
  { wish, isOutOfOrder }: { readonly wish: RowWish; readonly isOutOfOrder: boolean },
): { readonly rows: readonly ChosenRow[]; readonly overtaken: readonly ChosenRow[] } {
  const isLeft = ({ isOvertaken }: ChosenRow): boolean => isOvertaken && wish === 'retry' && !isOutOfOrder;
  return { rows: chosen.filter((row) => !isLeft(row)), overtaken: chosen.filter(isLeft) };
}

function requireDead(row: ChosenRow | undefined, { id, wish }: { readonly id: string; readonly wish: RowWish }): void {
  if (row !== undefined && wishable[wish].some((state) => state === row.state)) return;
  if (row === undefined) {
    throw new CodedError('NAME_UNKNOWN', `There is no such dead row ${id}: it was applied, or never was; \`kisflow dead-rows list\` names them.`); // prettier-ignore
  }
  const why =
    row.state === 'parked'
      ? 'it is parked behind an earlier change of its key and has its turn after that one, which `kisflow dead-rows list --state dead` names'
      : row.state === 'waiting'
        ? 'it waits for what a Load function did not find, and is tried again by itself'
        : `it was given up (${row.state}); change the row at the source to send it through the flow again`;
  throw new CodedError('ROW_NOT_DEAD', `Row ${id} of flow ${row.flow} is not dead: ${why}.`);
}
