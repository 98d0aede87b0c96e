import { makeAggregate, type AggregateOptions } from './aggregate.ts';
import { makeDedupe, type DedupeOptions } from './dedupe.ts';
import { declareFields, type Fields, type typeNames } from './field.ts';
import { makeFilter, type FilterOptions } from './filter.ts';
import { makeLookup, type LookupOptions } from './lookup.ts';
import { makeMap, type MapOptions } from './map.ts';
import type { MadeOperator } from './operator.ts';
import { makeProject, type ProjectFieldsOptions } from './project.ts';

/** A function that is an operator, as plain data. */
export type OperatorOptions = (
  | FilterOptions
  | MapOptions
  | ProjectFieldsOptions
  | DedupeOptions
  | LookupOptions
  | AggregateOptions
) & {
  /** Types of fields that are not known otherwise. */
  readonly types?: Readonly<Record<string, (typeof typeNames)[number]>> | undefined;
};

/** Makes an operator for rows of these fields. `columns`: those of its connector's table. */
export function makeOperator(options: OperatorOptions, input: Fields, columns: Fields): MadeOperator {
  const fields = declareFields(input, options.types ?? {});
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
    case 'aggregate':
      return makeAggregate(options, fields, columns);
    default:
      return options satisfies never;
  }
}
