/** What the operator window is told. */
import type { z } from 'zod';
import { duration, list, mapping, oneOf, optionalText, text } from './values.ts';

export interface WindowSpec {
  readonly shape: 'tumbling' | 'sliding' | 'session';
  readonly time: string;
  readonly unit: 's' | 'ms';
  readonly sizeMs: number;
  readonly everyMs: number;
  readonly gapMs: number;
  readonly key: readonly string[];
  readonly latenessMs: number | undefined;
  readonly late: 'dead-row' | 'drop';
  readonly as: { readonly start: string; readonly end: string };
  readonly table: string | undefined;
}

/** Windows that one row may be in. */
const windowsMax = 1000;

export const windowKeys = {
  kind: oneOf(['tumbling', 'sliding', 'session']),
  time: text('name the field with the time of a row'),
  unit: oneOf(['s', 'ms'], 's'),
  size: duration,
  every: duration,
  gap: duration,
  key: list(text('name a field')),
  lateness: duration,
  late: oneOf(['dead-row', 'drop'], 'dead-row'),
  as: mapping({ start: optionalText, end: optionalText }).optional(),
  table: optionalText,
};

type Given = Omit<{ readonly [Key in keyof typeof windowKeys]: z.output<(typeof windowKeys)[Key]> }, 'as'> & {
  readonly as?: { readonly start?: string | undefined; readonly end?: string | undefined } | undefined;
};

/** Which keys each kind must have; it may have none that only others have. */
const keysOf = {
  tumbling: ['size'],
  sliding: ['size', 'every'],
  session: ['gap', 'key'],
} as const;

/** The windows that are meant; adds an issue for each key that is missing or does not belong to the kind. */
export function toWindowSpec(given: Given, context: z.core.$RefinementCtx): WindowSpec {
  const { kind, size = 0, every = size, gap = 0, key, lateness, as } = given;
  const refuse = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
  const isGiven = {
    size: given.size !== undefined,
    every: given.every !== undefined,
    gap: given.gap !== undefined,
    key: key.length > 0,
  };
  for (const name of ['size', 'every', 'gap', 'key'] as const) {
    const isNeeded = keysOf[kind].some((needed) => needed === name);
    if (isNeeded && !isGiven[name]) refuse(name, `missing; a ${kind} window needs ${keysOf[kind].join(' and ')}`);
    if (!isNeeded && isGiven[name]) refuse(name, `does not belong to a ${kind} window; it has ${keysOf[kind].join(' and ')}`);
  }
  for (const [name, ms] of [
    ['size', given.size],
    ['every', given.every],
    ['gap', given.gap],
  ] as const) {
    if (ms === 0) refuse(name, 'is nothing; write a time such as 1h');
  }
  if (kind === 'session' && as?.end !== undefined) {
    context.addIssue({
      code: 'custom',
      path: ['as', 'end'],
      message: 'does not belong to a session window, whose end is not known; remove it',
    });
  }
  if (kind === 'sliding' && every > size)
    refuse('every', 'is longer than size, so rows would be in no window; write size, or less');
  if (kind === 'sliding' && every > 0 && size / every > windowsMax) {
    refuse('every', `puts a row into more than ${windowsMax} windows; write a longer time, or a smaller size`);
  }
  return {
    shape: kind,
    time: given.time,
    unit: given.unit,
    sizeMs: size,
    everyMs: every,
    gapMs: gap,
    key,
    latenessMs: lateness,
    late: given.late,
    as: { start: as?.start ?? 'window_start', end: as?.end ?? 'window_end' },
    table: given.table,
  };
}
