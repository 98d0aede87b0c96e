/**
 * What runs of repair are asked with: the HTTP API parses its bodies with these, and the commands their options. Messages follow the name of
 * what they are about, whichever way it was written.
 */
import { z } from 'zod';
import { duration } from '../../config/values.ts';
import { parseTablePattern } from '../../router/table-pattern.ts';
import { parseStart } from '../../row/position.ts';

const tableName = z.string().refine((text) => parseTablePattern(text)?.isExplicit === true, {
  error: ({ input }) => `takes schema.table, not "${shown(input)}"`,
});

export const snapshotAsked = z
  .strictObject({
    tables: z
      .array(tableName)
      .max(1000)
      .default([])
      .describe('Only these tables of the flow, each as schema.table; empty: all of them'),
    where: z
      .string()
      .refine((text) => text.trim() !== '', 'takes a condition in SQL')
      .optional()
      .describe('Only rows of these tables for which this SQL is true'),
  })
  .refine(({ tables, where }) => where === undefined || tables.length > 0, {
    path: ['where'],
    error: 'is a condition on the rows of tables: name these too',
  });

const place =
  '<file>:<offset> of the end of a transaction, a GTID set, a time (2026-01-31T12:00:00Z), or a position as status has it';

export const replayAsked = z.strictObject({
  from: z.string(`takes ${place}, or earliest: say from where`).describe(`${place}; or earliest`),
  to: z.string().optional().describe('Likewise; absent: where the flow stands'),
});

const rebuildStarts = 'earliest, a position (<file>:<offset>), a GTID set or a time';

export const rebuildAsked = z.strictObject({
  from: z
    .string()
    .refine((text) => !['latest', undefined].includes(parseStart(text)?.kind), {
      error: ({ input }) => `takes ${rebuildStarts}, not "${shown(input)}"`,
    })
    .optional()
    .describe(`${rebuildStarts}; absent: a snapshot of the tables`),
});

const rate = { error: ({ input }: { readonly input?: unknown }) => `takes a number of at least 1, not "${shown(input)}"` };

export const verifyAsked = z.strictObject({
  repair: z.boolean().default(false).describe('Mends exactly what differs'),
  rowsPerSecond: z.number(rate).min(1, rate).optional().describe('Compares no more rows in a second'),
});

const periods = { leastMs: 60_000, mostMs: 366 * 86_400_000 };

/** `6h`, in milliseconds; undefined: it is no period at which a flow may be verified. */
export function periodMs(text: string): number | undefined {
  const ms = duration.safeParse(text).data;
  return ms !== undefined && ms >= periods.leastMs && ms <= periods.mostMs ? ms : undefined;
}

export const scheduleAsked = verifyAsked
  .extend({
    every: z
      .string()
      .refine((text) => text === 'off' || periodMs(text) !== undefined, {
        error: ({ input }) => `takes a time from 1m to 366d with s, m, h or d, such as 6h, or "off"; not "${shown(input)}"`,
      })
      .describe('How long after the end of one the next is due, such as 6h; "off" ends it'),
  })
  .refine(({ every, repair, rowsPerSecond }) => every !== 'off' || !(repair || rowsPerSecond !== undefined), {
    path: ['every'],
    error: 'off takes nothing else',
  });

export type SnapshotAsked = Readonly<z.output<typeof snapshotAsked>>;
export type ReplayAsked = Readonly<z.output<typeof replayAsked>>;
export type RebuildAsked = Readonly<z.output<typeof rebuildAsked>>;
export type VerifyAsked = Readonly<z.output<typeof verifyAsked>>;
export type ScheduleAsked = Readonly<z.output<typeof scheduleAsked>>;

function shown(input: unknown): string {
  return String(input).slice(0, 100);
}
