/** What an operator is told, under `with`. Keys stand here as they do in the YAML. */
import { z } from 'zod';
import { duration, list, mapping, names, oneOf, optionalText, text, textMap } from './values.ts';
import { toWindowSpec, windowKeys, type WindowSpec } from './window-spec.ts';

/** A function that is an operator instead of code. */
export type OperatorSpec = { readonly types: Readonly<Record<string, FieldTypeName>> } & (
  | { readonly kind: 'filter'; readonly table: string | undefined; readonly where: string }
  | { readonly kind: 'map'; readonly table: string | undefined; readonly set: Readonly<Record<string, string>> }
  | {
      readonly kind: 'project';
      readonly table: string | undefined;
      readonly keep: readonly string[] | undefined;
      readonly drop: readonly string[];
      readonly rename: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'dedupe';
      readonly table: string | undefined;
      readonly key: readonly string[];
      readonly keep: 'first' | 'last';
      readonly rememberMs: number | undefined;
    }
  | {
      readonly kind: 'lookup';
      readonly match: Readonly<Record<string, string>>;
      readonly take: Readonly<Record<string, string>>;
      readonly missing: 'null' | 'drop' | 'fail';
    }
  | {
      readonly kind: 'join';
      readonly left: string;
      readonly right: string;
      readonly on: Readonly<Record<string, string>>;
      readonly type: 'inner' | 'left';
      readonly take: Readonly<Record<string, string>>;
      readonly as: string | undefined;
    }
  | ({ readonly kind: 'window' } & WindowSpec)
  | {
      readonly kind: 'aggregate';
      readonly key: Readonly<Record<string, string>>;
      readonly fields: Readonly<Record<string, string>>;
    }
);

export const operatorNames = ['filter', 'map', 'project', 'aggregate', 'lookup', 'join', 'window', 'dedupe'] as const;
export type OperatorName = (typeof operatorNames)[number];

const fieldTypeNames = ['int', 'decimal', 'double', 'text', 'bool'] as const;
type FieldTypeName = (typeof fieldTypeNames)[number];

const types = z
  .record(z.string(), oneOf(fieldTypeNames), { error: 'is no mapping; write fields and their types: {amount: decimal}' })
  .optional()
  .transform((entries) => entries ?? {});

const someNames = list(text('name a field')).refine((items) => items.length > 0, { error: 'missing; name at least one field' });

/** Names, or a mapping of names to names: `[a, b]` is `{a: a, b: b}`. */
const namesOrMap = (remedy: string) =>
  z
    .union([z.array(z.string()).transform((items) => Object.fromEntries(items.map((item) => [item, item]))), textMap(remedy)], {
      error: `is neither a list nor a mapping; ${remedy}`,
    })
    .refine((entries) => Object.keys(entries).length > 0, { error: `missing; ${remedy}` });

/** The spec of each operator's `with`. */
export const withSpecs = {
  filter: mapping({
    types,
    table: optionalText,
    where: text('write a condition such as status == "paid" && amount > 100'),
  }).transform((spec): OperatorSpec => ({
    kind: 'filter',
    ...spec,
  })),
  map: mapping({
    types,
    table: optionalText,
    set: textMap('write new fields and their expressions: {total: amount * quantity}'),
  }).transform((spec): OperatorSpec => ({ kind: 'map', ...spec })),
  project: mapping({
    types,
    table: optionalText,
    keep: names.optional(),
    drop: names,
    rename: textMap('write {old: new}').optional(),
  }).transform(({ rename, keep, ...spec }): OperatorSpec => ({
    kind: 'project',
    ...spec,
    keep: keep?.length === 0 ? undefined : keep,
    rename: rename ?? {},
  })),
  dedupe: mapping({
    types,
    table: optionalText,
    key: someNames,
    keep: oneOf(['last', 'first']).optional(),
    remember: optionalText,
  }).transform(({ keep, remember, ...spec }, context): OperatorSpec => {
    const rememberMs = remember === 'forever' ? Number.POSITIVE_INFINITY : duration.safeParse(remember).data;
    const refuse = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    if (remember !== undefined && !(rememberMs !== undefined && rememberMs > 0)) {
      refuse('remember', `is "${remember}"; write a time such as 24h, or forever`);
    }
    if (remember !== undefined && keep === 'last')
      refuse('keep', 'is "last", and what is remembered is the first row; write first');
    if (remember !== undefined && spec.table !== undefined) {
      refuse('table', 'does not go with remember, which is for plain rows; put a filter before it in a flow of its own');
    }
    return { kind: 'dedupe', ...spec, keep: keep ?? (remember === undefined ? 'last' : 'first'), rememberMs };
  }),
  lookup: mapping({
    types,
    match: namesOrMap('write {column of the other table: field of the row}'),
    take: namesOrMap('write {new field: column of the other table}'),
    missing: oneOf(['null', 'drop', 'fail'], 'null'),
  }).transform((spec): OperatorSpec => ({ kind: 'lookup', ...spec })),
  join: mapping({
    left: text('name a table: db.table'),
    right: text('name a table: db.table'),
    on: namesOrMap('write {field of left: field of right}'),
    type: oneOf(['inner', 'left'], 'inner'),
    take: namesOrMap('write {new field: field of right}').optional(),
    as: optionalText,
  }).transform(({ take, ...spec }): OperatorSpec => ({ kind: 'join', types: {}, ...spec, take: take ?? {} })),
  window: mapping({ types, ...windowKeys }).transform((spec, context): OperatorSpec => ({
    kind: 'window',
    types: spec.types,
    ...toWindowSpec(spec, context),
  })),
  aggregate: mapping({
    types,
    key: namesOrMap('write {column of the computed table: field of the row}'),
    fields: textMap('write {column of the computed table: sum(field)}'),
  }).transform((spec): OperatorSpec => ({ kind: 'aggregate', ...spec })),
} as const satisfies Record<OperatorName, z.ZodType<OperatorSpec>>;
