import type { Configuration } from '../../config/configuration.ts';
import type { TableDefinition } from '../../connector/mysql-table.ts';
import type { DaemonFlow } from '../daemon-flow.ts';
import { parseTablePattern } from '../../router/table-pattern.ts';

/** Operators that make one row of one, or none. */
const rowOperators: ReadonlySet<string> = new Set(['filter', 'map', 'project']);

type Judgement =
  | { readonly kind: 'no'; readonly why: string }
  | { readonly kind: 'yes'; readonly schema: string; readonly name: string };

/**
 * Whether a row of the computed table comes of the one source row with its key, as far as the configuration tells. What a function with code
 * does is seen when it runs.
 */
export function whyNotByRow(
  configuration: Pick<Configuration, 'flows' | 'funcs'>,
  { flow }: Pick<DaemonFlow, 'flow'>,
  definition: Pick<TableDefinition, 'id' | 'primaryKey'>,
): Judgement {
  if (definition.primaryKey.length === 0) return no(`${definition.id} has no primary key`);
  for (const { fname, connector } of flow.steps) {
    const operator = configuration.funcs.get(fname)?.operator?.kind;
    if (operator !== undefined && !rowOperators.has(operator))
      return no(`${fname} is the operator ${operator}, which needs more than one row`);
    if (connector !== undefined && connector.guarantee !== 'exactly-once') {
      return no(`${fname} works outside the store, where nothing can be undone`);
    }
  }
  const [only, ...others] = configuration.flows.get(flow.name)?.source?.tables ?? [];
  const pattern = parseTablePattern(only ?? '');
  if (others.length > 0 || pattern?.isExplicit !== true) return no('it reads more than one source table');
  const dot = pattern.text.indexOf('.');
  return { kind: 'yes', schema: pattern.text.slice(0, dot), name: pattern.text.slice(dot + 1) };
}

function no(why: string): Judgement {
  return { kind: 'no', why };
}
