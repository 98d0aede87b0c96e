import { z } from 'zod';
import { findComputedTables, findTable, type ComputedTable } from '../../daemon/operate/computed-table.ts';
import { countRows, ownerDocument, readColumns, tableDocument } from '../../daemon/operate/table-look.ts';
import { plainRow, readTableRow } from '../../daemon/operate/table-row.ts';
import { isDifferent, recomputedDocument, recomputeRow } from '../../daemon/operate/recompute-row.ts';
import type { Store } from '../../store/open.ts';
import { defineOperation, sourceDeadlineMs, type ApiContext, type Operation } from './operation.ts';
import { recomputedRowSchema, tableListSchema, tableRowSchema, tableWithColumnsSchema } from './schemas.ts';

/** Above this many rows a table is not counted, but estimated. */
const countedMax = 1000;

const key = z.string().max(3000).describe('`k`, or `k1,k2`, or `["k1","k2"]` where values have commas');

const listTables = defineOperation({
  id: 'listTables',
  method: 'GET',
  path: '/api/v1/tables',
  summary: 'The computed tables, each with the flows that own it',
  answerName: 'TableList',
  answer: tableListSchema,
  async run(_call, { configuration, openStore }) {
    const store = await openStore();
    const tables = [];
    for (const table of await findComputedTables(configuration, store)) tables.push(await look(store, table));
    return { tables };
  },
});

const getTable = defineOperation({
  id: 'getTable',
  method: 'GET',
  path: '/api/v1/tables/{table}',
  summary: 'One computed table (`table`, or `db.table`) with its columns and who owns each',
  answerName: 'Table',
  answer: tableWithColumnsSchema,
  async run({ path }, context) {
    const { store, table } = await open(context, path);
    const columns = await readColumns(store, table);
    return { ...(await look(store, table)), columns };
  },
});

const getTableRow = defineOperation({
  id: 'getTableRow',
  method: 'GET',
  path: '/api/v1/tables/{table}/row',
  summary: 'The row of a computed table that has this primary key',
  query: z.strictObject({ key }),
  answerName: 'TableRow',
  answer: tableRowSchema,
  async run({ path, query }, context) {
    const { store, table } = await open(context, path);
    const { row, lineage } = await readTableRow(store, table, query.key);
    const { isKept, fields, notes } = lineage;
    const owners = table.owners.map(ownerDocument);
    return { table: table.id, row: plainRow(row), owners, ...(isKept ? { lineage: { fields, notes } } : {}) };
  },
});

const recomputeTableRow = defineOperation({
  id: 'recomputeTableRow',
  method: 'POST',
  path: '/api/v1/tables/{table}/row/recompute',
  summary:
    'What the row would be if it were computed now: runs the functions of its flows over the source row as it is, in a transaction that is rolled back',
  deadlineMs: sourceDeadlineMs,
  body: z.strictObject({ key }),
  answerName: 'RecomputedRow',
  answer: recomputedRowSchema,
  async run({ path, body }, context) {
    const { store, table } = await open(context, path);
    const { project, readKnown, logger, signal } = context;
    const { lineage: _, ...found } = await readTableRow(store, table, body.key);
    const recomputed = await recomputeRow({ ...found, project, readKnown, store, table, logger, signal });
    return {
      table: table.id,
      row: plainRow(found.row),
      isSame: !recomputed.some(isDifferent),
      recomputed: recomputed.map(recomputedDocument),
    };
  },
});

async function open(
  { configuration, openStore }: ApiContext,
  path: Readonly<Record<string, string>>,
): Promise<{ readonly store: Store; readonly table: ComputedTable }> {
  const store = await openStore();
  const tables = await findComputedTables(configuration, store);
  return { store, table: findTable(path['table'] ?? '', tables, store.database) };
}

async function look(store: Store, table: ComputedTable) {
  return tableDocument({ table, count: await countRows(store, table.id, countedMax) });
}

export const tableOperations: readonly Operation[] = [listTables, getTable, getTableRow, recomputeTableRow];
