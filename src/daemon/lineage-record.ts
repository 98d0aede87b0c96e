/** What kis_lineage and kis_lineage_flow hold, written in a batch's transaction. */
import { writeLiteral } from '../connector/mysql-literal.ts';
import type { StoreTransaction } from '../store/contract.ts';
import { tableRowId, type FoldedRow, type FoldedWrite } from './lineage-fold.ts';

/** A stretch of batches without a gap in their lineage, as it is behind one of them. */
export interface LineageEra {
  readonly era: number;
  /** The sequence number that the next batch continues. */
  readonly sequence: number;
}

/** `known`: the era as it is committed, where that is remembered. */
export async function stepLineage(
  transaction: StoreTransaction,
  { flow, sequence, known }: { readonly flow: string; readonly sequence: number; readonly known: LineageEra | undefined },
): Promise<LineageEra> {
  const next = sequence + 1;
  if (known?.sequence === sequence) {
    await transaction.query('UPDATE kis_lineage_flow SET sequence = ? WHERE flow = ?', [next, flow]);
    return { era: known.era, sequence: next };
  }
  await transaction.query(
    `INSERT INTO kis_lineage_flow (flow, era, since, sequence) VALUES (?, 1, UTC_TIMESTAMP(3), ?)
     ON DUPLICATE KEY UPDATE era = IF(sequence = ?, era, era + 1), since = IF(sequence = ?, since, UTC_TIMESTAMP(3)), sequence = ?`,
    [flow, next, sequence, sequence, next],
  );
  const { rows } = await transaction.query('SELECT era FROM kis_lineage_flow WHERE flow = ?', [flow]);
  return { era: Number(rows[0]?.['era']), sequence: next };
}

/** Forgets all that is known of a table's rows; what is known of the table as a whole stays. */
export async function emptyLineage(transaction: StoreTransaction, table: string): Promise<void> {
  const whole = tableRowId(table);
  const last = whole.slice(0, 8) + 'f'.repeat(32);
  await transaction.query(`DELETE FROM kis_lineage WHERE row_id > x'${whole}' AND row_id <= x'${last}' AND store_table = ?`, [
    table,
  ]);
}

/** The batch as its rows' lineage names it. */
export interface LineageBatch {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly time: number;
  /** The one source table of all its changes; undefined where they are of several. */
  readonly table: string | undefined;
}

interface WriteOptions {
  readonly flow: string;
  readonly era: LineageEra;
  readonly batch: LineageBatch;
}

const columns =
  'row_id, writer, store_table, row_key, flow, fname, fields, known, source_table, position, position_to, commit_time, batch, era, sequence, place, written_at';
const updated = [
  'known',
  'source_table',
  'position',
  'position_to',
  'commit_time',
  'batch',
  'era',
  'sequence',
  'place',
  'written_at',
];
const keyCharsMax = 256;

/** One statement removes, one writes; more where they would grow too long. */
export async function writeLineage(
  transaction: StoreTransaction,
  rows: readonly FoldedRow[],
  options: WriteOptions,
): Promise<void> {
  const removed = rows.filter(({ isRemoved }) => isRemoved).map(({ rowId }) => `x'${rowId}'`);
  await inParts(transaction, removed, (list) => `DELETE FROM kis_lineage WHERE row_id IN (${list})`);
  const places = new Places(options);
  const written = rows.flatMap((row) => {
    const { table, key } = row;
    const name = text(typeof table === 'string' ? table : table.id);
    const shown = text(key.slice(0, keyCharsMax));
    return row.writes.map(
      (write, place) => `(x'${row.rowId}',x'${write.writer}',${name},${shown},${places.write(write)},${place},UTC_TIMESTAMP(3))`,
    );
  });
  const sets = updated.map((column) => `${column}=VALUES(${column})`).join(',');
  await inParts(
    transaction,
    written,
    (list) => `INSERT INTO kis_lineage (${columns}) VALUES ${list} ON DUPLICATE KEY UPDATE ${sets}`,
  );
}

/** What rows of one batch say of their origin: the same text for many rows, so it is kept for the last one. */
class Places {
  readonly #options: WriteOptions;
  #last: FoldedWrite | undefined;
  #text = '';

  constructor(options: WriteOptions) {
    this.#options = options;
  }

  write(write: FoldedWrite): string {
    const last = this.#last;
    const isSame = last !== undefined && last.writer === write.writer && last.known === write.known && last.origin === write.origin;
    if (!isSame) this.#text = this.#make(write);
    this.#last = write;
    return this.#text;
  }

  #make({ fname, fields, known, origin }: FoldedWrite): string {
    const { flow, era, batch } = this.#options;
    const isChange = origin !== undefined;
    const { table, position, to, time } = isChange
      ? { ...origin, to: null }
      : { table: batch.table ?? null, position: batch.from, to: batch.to, time: batch.time };
    const at = time === 0 ? null : new Date(time).toISOString().slice(0, -1).replace('T', ' ');
    const texts = [flow, fname, fields, known, table, position, to, at, batch.id].map(text);
    return `${texts.join(',')},${era.era},${era.sequence}`;
  }
}

function text(value: string | null): string {
  return writeLiteral(value) ?? 'NULL';
}

/** A statement is planned key by key: longer lists of deletes become scans. */
const partItemsMax = 2000;

async function inParts(
  transaction: StoreTransaction,
  items: readonly string[],
  statement: (list: string) => string,
): Promise<void> {
  // a character is at most three bytes in UTF-8
  const charsMax = Math.min(512 * 1024, Math.floor(transaction.maxPacketBytes / 4));
  let from = 0;
  while (from < items.length) {
    let to = from;
    for (let chars = 0; to < items.length && to - from < partItemsMax && chars < charsMax; to += 1)
      chars += (items[to]?.length ?? 0) + 1;
    await transaction.query(statement(items.slice(from, to).join(',')));
    from = to;
  }
}
