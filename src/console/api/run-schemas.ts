import { z } from 'zod';

const text = z.string();
const textOrNull = z.string().nullable();
const count = z.int().min(0);
const numberOrNull = z.number().nullable();
const timeOrNull = z.string().nullable().describe('ISO 8601, UTC; null: not known');

const runState = z.enum(['waiting', 'running', 'paused', 'done', 'cancelled', 'failed']);

export const runSchema = z.object({
  id: z.string().describe('The number of a run'),
  flow: text,
  kind: z.enum(['snapshot', 'replay', 'rebuild', 'verify']),
  state: runState,
  wish: z.enum(['pause', 'resume', 'cancel']).nullable().describe('What an operator wants, until its daemon has done it'),
  options: z.record(z.string(), z.unknown()).describe('What was asked'),
  isStart: z.boolean().describe('The first snapshot of a flow'),
  isScheduled: z.boolean().describe('A verify that nobody asked for: made by the schedule of its flow'),
  rate: numberOrNull.describe('Source rows a second'),
  errorCode: textOrNull,
  errorText: textOrNull,
  createdAt: text,
  startedAt: timeOrNull,
  updatedAt: text,
  endedAt: timeOrNull,
  tablesDone: count,
  rowsDone: count,
  rowsTotal: numberOrNull,
  percent: numberOrNull,
  msLeft: numberOrNull,
  position: textOrNull.describe('Up to where a replay is committed'),
  tables: z.array(
    z.object({
      sourceTable: text,
      state: z.enum(['waiting', 'reading', 'done']),
      keyColumns: z.array(text),
      rowsDone: count,
      rowsTotal: numberOrNull,
      chunks: count,
      startedAt: timeOrNull,
      updatedAt: text,
      endedAt: timeOrNull,
    }),
  ),
});

export const runListSchema = z.object({ runs: z.array(runSchema).describe('The latest first') });

/** What a verify found, in figures. */
const verificationSchema = z.object({
  position: text.describe('For which the tables were compared'),
  comparedAt: text,
  heldMs: count.describe('How long the flow stood for it'),
  rows: count.describe('Rows that were compared'),
  missing: count.describe('Rows that should be there, and were not'),
  extra: count.describe('Rows that should not have been there'),
  different: count.describe('Rows with other values than they should have had'),
  excused: count.describe('Rows that differed because a change of their key is dead; in none of the others'),
  mended: count.nullable().describe('null: nothing was to be repaired'),
  unmended: count.nullable().describe('Rows that could not be'),
});

export const runDetailsSchema = runSchema.extend({
  standing: textOrNull.describe('What keeps it from going on; null: nothing that is known'),
  verification: verificationSchema
    .nullable()
    .describe('What a verify found; null: it has not compared yet, or is another kind of run'),
});

export const differenceListSchema = z.object({
  differences: z
    .array(
      z.object({
        number: count.describe('Within its run, from 1'),
        table: text.describe('db.table in the store'),
        key: z.array(z.unknown()).describe('Values of the key. Those that JSON lacks are {"$bigint": …}, {"$binary": …} and so on'),
        kind: z.enum(['missing', 'extra', 'different']),
        isExcused: z.boolean().describe('A change of this key is dead'),
        fields: z
          .array(z.object({ name: text, stored: textOrNull, recomputed: textOrNull }))
          .describe('Of a different row: each field that differs, with both values as text, cut where they are long'),
      }),
    )
    .describe('Of a run the first 1,000 are kept, and of a flow those of its last ten runs'),
  next: count.nullable().describe('`after` of the next page; null: this is the last one'),
});
