import { makeAggregate, type AggregateOptions } from './aggregate.ts';
import { makeDedupe, type DedupeOptions } from './dedupe.ts';
import { declareFields, type Fields, type typeNames } from './field.ts';
import { makeFilter, type FilterOptions } from './filter.ts';
import { makeJoin } from './join.ts';
import type { JoinOptions } from './join-options.ts';
import { makeLookup, type LookupOptions } from './lookup.ts';
import { makeMap, type MapOptions } from './map.ts';
import type { MadeOperator } from './operator.ts';
import { makeProject, type ProjectFieldsOptions } from './project.ts';
import { makeForTable } from './table-fields.ts';
import type { WindowOptions } from './window-options.ts';
import { makeWindow } from './window.ts';

type RowOperator =
  | WindowOptions
  | FilterOptions
  | MapOptions
  | ProjectFieldsOptions
  | DedupeOptions
  | LookupOptions
  | AggregateOptions;

/** A function that is an operator, as plain data. */
export type OperatorOptions = (RowOperator | JoinOptions) & {
  /** Types of fields that are not known otherwise. */
  readonly types?: Readonly<Record<string, (typeof typeNames)[number]>> | undefined;
};

/** Makes an operator for rows of these fields. `columns`: those of its connector's table. */
export function makeOperator(options: OperatorOptions, input: Fields, columns: Fields): MadeOperator {
  if (options.kind === 'join') return makeJoin(options, input);
  // an aggregate's table is the computed one
  const table = options.kind === 'aggregate' || options.kind === 'lookup' ? undefined : options.table;
  return makeForTable(table, input, (fields) => makeRowOperator(options, declareFields(fields, options.types ?? {}), columns));
}

/** Whether it keeps something from batch to batch: given the same rows again, it gives something else. */
export function keepsState(options: Pick<OperatorOptions, 'kind'> & { readonly rememberMs?: number | undefined }): boolean {
  switch (options.kind) {
    case 'filter':
    case 'map':
    case 'project':
    case 'lookup':
      return false;
    case 'dedupe':
      return options.rememberMs !== undefined;
    case 'aggregate':
    case 'join':
    case 'window':
      return true;
    default:
      return options.kind satisfies never;
  }
}

function makeRowOperator(options: RowOperator, fields: Fields, columns: Fields): MadeOperator {
  switch (options.kind) {
    case 'filter':
      return makeFilter(options, fields);
    case 'map':
      return makeMap(options, fields);
    case 'project':
      return makeProject(options, fields);
    case 'dedupe':
      return makeDedupe(options, fields);
    case 'lookup':
      return makeLookup(options, fields, columns);
    case 'window':
      return makeWindow(options, fields);
    case 'aggregate':
      return makeAggregate(options, fields, columns);
    default:
      return options satisfies never;
  }
}
