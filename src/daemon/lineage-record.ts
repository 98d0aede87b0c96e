/** What kis_lineage and kis_lineage_flow hold, written in a batch's transaction. */
import { hash } from 'node:crypto';
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
  const last = whole.slice(0, 16) + 'f'.repeat(32);
  await transaction.query(`DELETE FROM kis_lineage WHERE row_id > x'${whole}' AND row_id <= x'${last}'`);
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
  /** Writers that the store has. */
  readonly writers: ReadonlySet<string>;
}

const columns = 'row_id, writer, row_key, position, position_to, commit_time, batch, era, sequence, place, written_at';
const updated = ['position', 'position_to', 'commit_time', 'batch', 'era', 'sequence', 'place', 'written_at'];
const keyCharsMax = 256;

/** One statement removes, one writes; more where they would grow too long. Gives the writers that the store did not have before. */
export async function writeLineage(
  transaction: StoreTransaction,
  rows: readonly FoldedRow[],
  options: WriteOptions,
): Promise<readonly string[]> {
  const removed = rows.filter(({ isRemoved }) => isRemoved).map(({ rowId }) => `x'${rowId}'`);
  await inParts(transaction, removed, (list) => `DELETE FROM kis_lineage WHERE row_id IN (${list})`);
  const writers = new Writers(options);
  const written = rows.flatMap((row) => {
    const { table, key } = row;
    const name = typeof table === 'string' ? table : table.id;
    const shown = text(key.slice(0, keyCharsMax));
    return row.writes.map((write, place) => {
      const { id, origin } = writers.of(write, name);
      return `(x'${row.rowId}',x'${id}',${shown},${origin},${place},UTC_TIMESTAMP(3))`;
    });
  });
  await inParts(
    transaction,
    [...writers.added.values()],
    (list) =>
      `INSERT IGNORE INTO kis_lineage_writer (writer, flow, fname, store_table, fields, known, source_table) VALUES ${list}`,
  );
  const sets = updated.map((column) => `${column}=VALUES(${column})`).join(',');
  await inParts(
    transaction,
    written,
    (list) => `INSERT INTO kis_lineage (${columns}) VALUES ${list} ON DUPLICATE KEY UPDATE ${sets}`,
  );
  return [...writers.added.keys()];
}

interface Written {
  /** The writer, 16 hexadecimal digits. */
  readonly id: string;
  /** Values from position to sequence, as SQL. */
  readonly origin: string;
}

/** Who wrote, and from where: the same for many rows of a batch, so it is kept for the last one. */
class Writers {
  /** By their ids, as SQL. */
  readonly added = new Map<string, string>();
  readonly #options: WriteOptions;
  readonly #batch: string;
  #last: FoldedWrite | undefined;
  #lastTable = '';
  #made: Written = { id: '', origin: '' };

  constructor(options: WriteOptions) {
    this.#options = options;
    const { id } = options.batch;
    this.#batch = /^[\da-f]{32}$/.test(id) ? `x'${id}'` : `x'${'0'.repeat(32)}'`;
  }

  of(write: FoldedWrite, table: string): Written {
    const last = this.#last;
    const isSame =
      last !== undefined &&
      this.#lastTable === table &&
      last.writer === write.writer &&
      last.known === write.known &&
      last.origin === write.origin;
    if (!isSame) this.#made = this.#make(write, table);
    this.#last = write;
    this.#lastTable = table;
    return this.#made;
  }

  #make({ fname, fields, known, origin }: FoldedWrite, table: string): Written {
    const { flow, era, batch, writers } = this.#options;
    const { position, to, time } =
      origin === undefined ? { position: batch.from, to: batch.to, time: batch.time } : { ...origin, to: null };
    const values = [flow, fname, table, fields, known, origin === undefined ? (batch.table ?? null) : origin.table];
    const id = hash('sha256', JSON.stringify(values)).slice(0, 16);
    if (!writers.has(id)) this.added.set(id, `(x'${id}',${values.map(text).join(',')})`);
    const at = time === 0 ? null : new Date(time).toISOString().slice(0, -1).replace('T', ' ');
    return { id, origin: `${[position, to, at].map(text).join(',')},${this.#batch},${era.era},${era.sequence}` };
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
