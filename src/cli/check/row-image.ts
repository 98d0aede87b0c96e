import type { Configuration } from '../../config/configuration.ts';
import type { FlowSpec, FuncSpec } from '../../config/spec.ts';
import { operatorOptionsOf } from '../../daemon/operators.ts';
import { readsOf } from '../../flow/operator/reads.ts';
import type { ServerSettings } from '../../source/server-settings.ts';
import { nameList, type Finding } from './finding.ts';
import type { SourceTable } from './source-tables.ts';
import { setGlobal } from './store-server.ts';

export interface RowImageScope {
  readonly configuration: Configuration;
  readonly settings: Pick<ServerSettings, 'rowImage' | 'flavour'>;
  /** Enabled flows of the source. */
  readonly flows: readonly FlowSpec[];
  /** Functions that have code; undefined: not known. */
  readonly functionNames: ReadonlySet<string> | undefined;
  /** The tables that each flow reads now, by its name. */
  readonly tables: ReadonlyMap<string, readonly SourceTable[]>;
}

/**
 * What each flow makes of a source whose binlog_row_image is not FULL: one that stops at changes without all columns is an error, with the
 * columns that it is known to need. FULL_NODUP (MariaDB 11.4) leaves out only what the image before the update has.
 */
export function examineRowImage(scope: RowImageScope): readonly Finding[] {
  const { rowImage, flavour } = scope.settings;
  if (rowImage === 'FULL' || rowImage === 'FULL_NODUP' || rowImage === '') return [];
  const remedy = `${setGlobal(flavour, 'binlog_row_image', 'FULL')}\n-- then reconnect the writers: a session keeps the setting that it began with`;
  return scope.flows.map((flow): Finding => {
    const subject = `flow ${flow.flow_name}`;
    const isPartial = flow.source?.row_image === 'partial';
    const needs = findNeeds(scope, flow);
    const lacks = `The source’s binlog_row_image is ${rowImage}: ${whatLacks[rowImage] ?? 'changes lack columns'}`;
    if (needs.length > 0) {
      const message = `${lacks}. The flow stops at the first such change: ${needs.join('; ')}.`;
      const declare = needs.some((need) => need.endsWith('any column'))
        ? `\n# or, where its functions cope with absent columns: source: {row_image: partial} in flow ${flow.flow_name}`
        : '';
      return { code: 'SOURCE_ROW_IMAGE', severity: 'error', subject, message, remedy: `${remedy}${declare}` };
    }
    const inserts = isPartial
      ? 'an insert takes the defaults of the computed table for columns that it does not give, which must be those of the source table'
      : 'it stops at an insert that does not give all columns (row_image: partial in its source takes the defaults of the computed table)';
    const mariadb =
      flavour === 'mariadb' && rowImage === 'MINIMAL'
        ? '; MariaDB logs a REPLACE of an existing row, and VIRTUAL columns, without values that changed: those are lost'
        : '';
    const message = `${lacks}. The flow updates the columns that there are, of rows that are there; ${inserts}${mariadb}.`;
    return { code: 'SOURCE_ROW_IMAGE', severity: 'warning', subject, message, remedy };
  });
}

const whatLacks: Readonly<Record<string, string>> = {
  MINIMAL: 'updates have the key and the changed columns only, deletes the key, inserts the columns that were given',
  NOBLOB: 'changes have no BLOB, TEXT, JSON or geometry that did not change',
};

function findNeeds(scope: RowImageScope, flow: FlowSpec): readonly string[] {
  const { configuration } = scope;
  const tables = scope.tables.get(flow.flow_name) ?? [];
  // what every change has: the key, and what functions before have added
  const [first] = tables;
  const there = new Set(first?.primaryKey.filter((name) => tables.every(({ primaryKey }) => primaryKey.includes(name))));
  return flow.flows.flatMap(({ fname }) => {
    const func = configuration.funcs.get(fname);
    if (func === undefined) return [];
    const need = needOf(scope, func, { isPartial: flow.source?.row_image === 'partial', there });
    if (func.operator?.kind === 'map') for (const name of Object.keys(func.operator.set)) there.add(name);
    if (func.operator?.kind === 'lookup') for (const name of Object.keys(func.operator.take)) there.add(name);
    return need ?? [];
  });
}

interface NeedContext {
  readonly isPartial: boolean;
  readonly there: ReadonlySet<string>;
}

/** What a function needs and a change may lack; undefined: nothing. */
function needOf(scope: RowImageScope, func: FuncSpec, { isPartial, there }: NeedContext): string | undefined {
  const { configuration, functionNames, settings } = scope;
  const place = `function ${func.fname}`;
  const must = func.source.must.filter((name) => !there.has(name));
  const operator = operatorOptionsOf(configuration, func);
  if (operator !== undefined) {
    const reads = readsOf(operator).fields;
    if (reads === 'all') return `${place} (${operator.kind}) keeps whole rows`;
    const fields = reads.filter((name) => !there.has(name));
    // which columns are long, only the tables know; under NOBLOB all others are there
    const isNeeded = fields.length > 0 && settings.rowImage === 'MINIMAL';
    return isNeeded
      ? `${place} (${operator.kind}) reads ${nameList(fields)}, which an update has only where it is key or changed`
      : undefined;
  }
  const hasCode = functionNames?.has(func.fname) ?? true;
  if (hasCode && !isPartial) return `${place} is code and may need any column`;
  if (!hasCode && !isPartial && func.fmode === 'Save') {
    const conn = configuration.conns.get(func.option.cname ?? '');
    if (conn !== undefined && conn.type !== 'mysql' && conn.type !== 'tidb') {
      return `${place} saves to ${conn.cname} (${conn.type}), which may keep rows without any column`;
    }
  }
  if (must.length > 0 && settings.rowImage === 'MINIMAL') return `${place} must have ${nameList(must)}`;
  return undefined;
}
