import { z } from 'zod';
import { chooseDeadRows, withoutOvertaken } from '../../daemon/operate/dead-row-choice.ts';
import { CodedError } from '../../lib/error.ts';
import { keptStates } from '../../repair/dead-row-list.ts';
import { readDeadRowPage, readDeadRowWithin } from '../../repair/dead-row-page.ts';
import { writeRowWish, type ChosenRow } from '../../repair/dead-row-wish.ts';
import type { RowWish } from '../../repair/parked-row.ts';
import { defineOperation, type ApiContext, type Operation } from './operation.ts';
import { deadRowListSchema, deadRowWithChangeSchema, rowId, rowWishSchema, wholeNumber } from './schemas.ts';

const changeBytesMax = 1024 * 1024;
/** Rows that one request may choose by a filter. */
const chosenMax = 10_000;
/** And that its answer names. */
const namedMax = 100;

const flow = z.string().max(190).optional().describe('Only those of this flow');
const code = z.string().max(64).optional().describe('Only those with this error code');

const listDeadRows = defineOperation({
  id: 'listDeadRows',
  method: 'GET',
  path: '/api/v1/dead-rows',
  summary: 'Rows that flows could not process, the latest first, a page at a time',
  query: z.strictObject({
    flow,
    code,
    state: z.enum(keptStates).optional().describe('Only those in this state'),
    limit: wholeNumber(1, 200, 50).describe('Rows of a page'),
    after: rowId.optional().describe('`next` of the page before'),
  }),
  answerName: 'DeadRowList',
  answer: deadRowListSchema,
  async run({ query: { after, ...query } }, { openStore }) {
    const { rows, next } = await readDeadRowPage(await openStore(), { ...query, before: after });
    return { deadRows: rows, next };
  },
});

const getDeadRow = defineOperation({
  id: 'getDeadRow',
  method: 'GET',
  path: '/api/v1/dead-rows/{id}',
  summary: 'One dead row with its change',
  answerName: 'DeadRow',
  answer: deadRowWithChangeSchema,
  async run({ path: { id = '' } }, { openStore }) {
    const found = rowId.safeParse(id).success ? await readDeadRowWithin(await openStore(), id, changeBytesMax) : undefined;
    if (found === undefined)
      throw new CodedError('NAME_UNKNOWN', 'There is no dead row of this number: it was applied, or never was.');
    const change: unknown = found.change === null ? null : JSON.parse(found.change);
    return { ...found.row, change: z.record(z.string(), z.unknown()).nullable().parse(change) };
  },
});

const choice = {
  ids: z.array(rowId).min(1).max(1000).optional().describe('These rows; all of them, or none where one is not dead'),
  flow,
  code,
  all: z.literal(true).optional().describe('All dead rows, in place of ids, flow and code'),
};

interface Choice {
  readonly ids?: readonly string[] | undefined;
  readonly flow?: string | undefined;
  readonly code?: string | undefined;
  readonly all?: true | undefined;
}

const retryDeadRows = defineOperation({
  id: 'retryDeadRows',
  method: 'POST',
  path: '/api/v1/dead-rows/retry',
  summary: 'Lets the daemons of their flows try dead rows again',
  body: z.strictObject({
    ...choice,
    outOfOrder: z.boolean().default(false).describe('Rows too of which later changes of their keys have taken effect'),
  }),
  answerName: 'RowWish',
  answer: rowWishSchema,
  run: ({ body: { outOfOrder, ...body } }, context) => wishRows(context, 'retry', { choice: body, isOutOfOrder: outOfOrder }),
});

const discardDeadRows = defineOperation({
  id: 'discardDeadRows',
  method: 'POST',
  path: '/api/v1/dead-rows/discard',
  summary: 'Gives dead rows up: they stay as a record, and what waits behind them goes on',
  body: z.strictObject(choice),
  answerName: 'RowWish',
  answer: rowWishSchema,
  run: ({ body }, context) => wishRows(context, 'discard', { choice: body, isOutOfOrder: false }),
});

async function wishRows(
  { configuration, openStore }: ApiContext,
  wish: RowWish,
  { choice: chosenBy, isOutOfOrder }: { readonly choice: Choice; readonly isOutOfOrder: boolean },
) {
  const { ids = [], all, ...filter } = chosenBy;
  const isChosen = ids.length > 0 || filter.flow !== undefined || filter.code !== undefined;
  if (isChosen === (all === true)) {
    throw new CodedError('REQUEST_INVALID', 'Say which rows: ids, flow, code, or "all": true for every dead row.');
  }
  const store = await openStore();
  const found = await chooseDeadRows({ ...filter, configuration, store, wish, ids: [...new Set(ids)], limit: chosenMax + 1 });
  const { rows, overtaken } = withoutOvertaken(found.slice(0, chosenMax), { wish, isOutOfOrder });
  await writeRowWish(store, rows.map(({ id }) => id), wish); // prettier-ignore
  return {
    wish,
    chosen: rows.length,
    rows: rows.slice(0, namedMax).map(named),
    overtaken: overtaken.slice(0, namedMax).map(({ id }) => id),
    overtakenCount: overtaken.length,
    hasMore: found.length > chosenMax,
  };
}

function named({ id, flow: name, table, key }: ChosenRow) {
  return { id, flow: name, table, key };
}

export const deadRowOperations: readonly Operation[] = [listDeadRows, getDeadRow, retryDeadRows, discardDeadRows];
