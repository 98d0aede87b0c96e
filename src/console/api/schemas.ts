import { z } from 'zod';
import { shownStates } from '../../daemon/operate/flow-status.ts';
import { keptStates } from '../../repair/dead-row-list.ts';
import { runSchema } from './run-schemas.ts';

const text = z.string();
const textOrNull = z.string().nullable();
const count = z.int().min(0);
const numberOrNull = z.number().nullable();
const timeOrNull = z.string().nullable().describe('ISO 8601, UTC; null: not known');

/** A number that a query has as a text. */
export function wholeNumber(min: number, max: number, fallback: number) {
  const range = `write a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,9}$/, range)
    .transform(Number)
    .pipe(z.int().min(min, range).max(max, range))
    .default(fallback);
}

export const rowId = z
  .string()
  .regex(/^\d{1,20}$/, 'a dead row has a number')
  .describe('The number of a dead row');

/** Dead rows of a flow are counted up to here. */
export const deadRowsCountedMax = 10_000;

const keptCount = count.describe(`${deadRowsCountedMax}: so many or more`);

const flowError = z.object({ code: text, message: text }).nullable();

const scheduleSchema = z
  .object({
    everyMs: z.number(),
    repair: z.boolean(),
    rowsPerSecond: numberOrNull,
    since: text,
    dueAt: timeOrNull.describe('When the next run is due; null: one is under way'),
    dueInMs: numberOrNull.describe('Not above 0: it begins as soon as it may'),
  })
  .nullable()
  .describe('null: it is verified only when somebody asks for it');

export const verifyScheduleSchema = z.object({ flow: text, schedule: scheduleSchema });

export const flowSchema = z.object({
  flow: text,
  state: z.enum(shownStates),
  wanted: z.enum(['run', 'pause']).nullable().describe('What an operator wants of it; null: it has never run'),
  holder: textOrNull.describe('Host, process and start of the daemon that holds it, or held it last'),
  isHeld: z.boolean().describe('Whether that daemon is alive'),
  isSilent: z.boolean().describe('Whether it is connected, but its lease has run out'),
  position: textOrNull,
  rowsTotal: count.nullable(),
  lastChange: timeOrNull,
  lastChangeAgeMs: numberOrNull,
  error: flowError,
  isConfigured: z.boolean(),
  isEnabled: z.boolean(),
  lagMs: numberOrNull,
  lagBytes: numberOrNull,
  freshMs: numberOrNull.describe('How old its computed rows may be'),
  purgeMs: z
    .union([z.number(), z.literal('never')])
    .nullable()
    .describe('Time until the source may purge what it needs next'),
  purgeMsMax: numberOrNull,
  queueBytes: numberOrNull,
  reader: z.enum(['connected', 'not connected']).nullable(),
  readerError: textOrNull,
  batchMs: numberOrNull.describe('For how long the oldest batch that is under way has been'),
  rate: numberOrNull.describe('Source rows a second'),
  deadRows: keptCount,
  waitingRows: keptCount,
  parkedRows: keptCount,
  skippedRows: keptCount,
  tableStatements: z
    .object({
      count,
      last: z.object({ outcome: text, table: text, statement: text, position: text, at: timeOrNull }),
    })
    .nullable(),
  runs: z.array(runSchema).describe('Those that have not ended'),
  verify: z.object({
    schedule: scheduleSchema,
    last: z
      .object({
        run: text,
        endedAt: text,
        ageMs: z.number(),
        differences: count.describe('Rows that were wrong; where it repaired, those that it could not mend'),
      })
      .nullable()
      .describe('The last verify that was done; null: there was none'),
  }),
});

export const flowListSchema = z.object({
  flows: z.array(flowSchema),
  daemons: z.array(
    z.object({
      holder: text,
      changesHash: text,
      reloadedAt: timeOrNull,
      refused: z
        .object({ at: text, code: text, message: text })
        .nullable()
        .describe('The change of the project that it refuses now'),
    }),
  ),
});

export const flowWishSchema = z.object({
  flow: text,
  before: z.enum(shownStates),
  state: z.enum(shownStates).describe('At the end of the wait for its daemon'),
  wanted: z.enum(['run', 'pause']).nullable(),
  holder: textOrNull,
  isHeld: z.boolean(),
  error: flowError,
  message: text,
});

export const deadRowSchema = z.object({
  id: rowId,
  flow: text,
  state: text.describe(keptStates.join(' | ')),
  tries: count,
  wish: textOrNull.describe('retry | discard, until its daemon has done it'),
  endedAt: timeOrNull,
  endedBy: textOrNull,
  fname: text.describe('The function that failed; empty where none did'),
  code: text,
  message: text,
  stack: textOrNull.describe("Where in the project's function it was thrown"),
  table: text,
  key: text.describe('The primary key with its values, as JSON'),
  op: text,
  position: text,
  commitTime: timeOrNull,
  createdAt: text,
});

export const deadRowListSchema = z.object({
  deadRows: z.array(deadRowSchema).describe('The latest first'),
  next: rowId.nullable().describe('`after` of the next page; null: this is the last one'),
});

export const deadRowWithChangeSchema = deadRowSchema.extend({
  change: z
    .record(z.string(), z.unknown())
    .nullable()
    .describe(
      'The row before and after. Values that JSON lacks are {"$bigint": …}, {"$binary": …} and so on; null: longer than 1 MiB',
    ),
});

export const rowWishSchema = z.object({
  wish: z.enum(['retry', 'discard']),
  chosen: count.describe('Rows that have the wish now; the daemons of their flows do it within seconds'),
  rows: z.array(z.object({ id: rowId, flow: text, table: text, key: text })).describe('The first of them'),
  overtaken: z
    .array(rowId)
    .describe('The first of those that were left alone: later changes of their keys have taken effect. See outOfOrder'),
  overtakenCount: count,
  hasMore: z.boolean().describe('Whether there were more than are chosen at a time: ask again'),
});

const owner = z.object({
  flow: text,
  columns: z.array(text).nullable().describe('In lower case; null: all'),
  state: z.enum(shownStates),
  position: textOrNull,
  lagMs: numberOrNull,
  freshMs: numberOrNull.describe('How old its computed rows may be'),
  lastChange: timeOrNull,
  lastChangeAgeMs: numberOrNull,
});

export const tableSchema = z.object({
  table: text.describe('db.table'),
  exists: z.boolean(),
  rows: count.nullable(),
  isExact: z.boolean().nullable().describe('false: rows is an estimate'),
  owners: z.array(owner),
});

export const tableListSchema = z.object({ tables: z.array(tableSchema) });

export const tableWithColumnsSchema = tableSchema.extend({
  columns: z.array(
    z.object({
      name: text,
      type: text,
      keyPart: count.describe('Its place in the primary key, from 1; 0: outside'),
      isNullable: z.boolean(),
      default: textOrNull,
      isGenerated: z.boolean(),
      owner: textOrNull.describe('The flow that owns it'),
    }),
  ),
});

const fieldTrace = z.object({
  flow: text,
  function: text,
  known: z
    .enum(['change', 'key', 'batch'])
    .describe('change: that change; key: the last change of the same key in its batch; batch: one of its batch'),
  sourceTable: textOrNull,
  position: text.describe('Of the change; batch: where the batch begins; read: where the stream was'),
  positionTo: textOrNull.describe('batch: where the batch ends'),
  commitTime: timeOrNull.describe('At the source, of the change or of the last one of the batch; null: not known, or it was read'),
  read: z.object({ run: text, at: timeOrNull }).nullable().describe('Of a row that a snapshot read: by which run, and when'),
  batch: text,
  writtenAt: timeOrNull,
});

const rowLineage = z.object({
  fields: z.array(
    z.object({
      field: text,
      trace: fieldTrace.nullable().describe('null: reason says why'),
      reason: text.describe('Empty with a trace'),
    }),
  ),
  notes: z.array(text).describe('What to bear in mind about all of it'),
});

const fieldsRecomputed = z.object({
  flow: text,
  kind: z.literal('fields'),
  fields: z.array(z.object({ field: text, stored: z.unknown(), recomputed: z.unknown(), isSame: z.boolean() })),
});

export const recomputedRowSchema = z.object({
  table: text,
  row: z.record(z.string(), z.unknown()).describe('As it is stored. Large whole numbers are texts, bytes are 0x…'),
  isSame: z.boolean().describe('Whether nothing of it was found to be different'),
  recomputed: z
    .array(
      z.discriminatedUnion('kind', [
        fieldsRecomputed,
        z.object({ flow: text, kind: z.literal('none').describe('There would be no such row now'), why: text }),
        z.object({ flow: text, kind: z.literal('unknown').describe('A look at one row cannot say'), why: text }),
      ]),
    )
    .describe('What each flow that owns the table would write into the row now'),
});

export const tableRowSchema = z.object({
  table: text,
  row: z.record(z.string(), z.unknown()).describe('Large whole numbers are texts, bytes are 0x…'),
  owners: z.array(owner),
  lineage: rowLineage.optional().describe('What wrote each field; absent where no flow of the table keeps lineage'),
});
