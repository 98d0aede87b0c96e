import type { Configuration } from '../../config/configuration.ts';
import { flowGraph, storeDatabaseOf } from '../../config/plan.ts';
import type { FlowSpec } from '../../config/spec.ts';
import { quoteName } from '../../store/name.ts';
import { nameList, type Finding } from './finding.ts';
import type { SourceColumn, SourceTable } from './source-tables.ts';
import { quoteId, type ComputedColumn, type ComputedLook } from './store-tables.ts';

/** A flow whose source rows are written into a computed table as they are. */
export interface CopyingFlow {
  readonly flow: FlowSpec;
  /** `db.table` of every table that takes its rows. */
  readonly tables: readonly string[];
}

/**
 * Enabled flows that begin with Save functions without code: their rows come straight from the source, so their columns are
 * known. Saved rows go on, so it may be several tables.
 */
export function findCopyingFlows(configuration: Configuration, functionNames: ReadonlySet<string>): readonly CopyingFlow[] {
  const storeDatabase = storeDatabaseOf(configuration);
  const graph = new Map(flowGraph(configuration, { storeDatabase, isOnStoreServer: () => false }).map((node) => [node.flow, node]));
  return [...configuration.flows.values()]
    .filter((flow) => flow.status === 1 && flow.source !== undefined)
    .map((flow) => {
      const end = flow.flows.findIndex(({ fname }) => {
        const func = configuration.funcs.get(fname);
        return functionNames.has(fname) || func?.fmode !== 'Save' || func.operator !== undefined;
      });
      const steps = end === -1 ? flow.flows.length : end;
      const writes = graph.get(flow.flow_name)?.writes.filter(({ step }) => step < steps) ?? [];
      return { flow, tables: [...new Set(writes.map(({ table }) => table))] };
    })
    .filter(({ tables }) => tables.length > 0);
}

export interface CopyScope {
  readonly sources: readonly SourceTable[];
  readonly columns: ReadonlyMap<string, readonly SourceColumn[]>;
  readonly computed: readonly ComputedLook[];
}

/** Compares what the source gives with what the computed tables take. */
export function examineCopy({ flow, tables }: CopyingFlow, scope: CopyScope): readonly Finding[] {
  return tables.flatMap((id) => {
    const look = scope.computed.find((computed) => computed.id === id);
    if (look?.columns === undefined) return []; // not examined, or missing: a finding of its own
    const misfits = scope.sources.flatMap((source) => {
      const columns = scope.columns.get(source.id);
      return columns === undefined ? [] : [compare({ source, columns, look, computed: look.columns ?? [] })];
    });
    return [unknownColumns, missingKeys, missingValues].flatMap((judge) => judge({ flow, look, misfits }));
  });
}

/** How the rows of one source table and a computed table do not fit. */
interface Misfit {
  readonly source: SourceTable;
  /** Fields that the computed table has no column for. */
  readonly unknown: readonly SourceColumn[];
  /** Key columns that the rows do not have. */
  readonly keyless: readonly string[];
  /** Columns that must have a value, and get none. */
  readonly required: readonly string[];
}

interface Comparison {
  readonly source: SourceTable;
  readonly columns: readonly SourceColumn[];
  readonly look: ComputedLook;
  readonly computed: readonly ComputedColumn[];
}

/** Names of columns are compared as the server does: without case. */
function compare({ source, columns, look, computed }: Comparison): Misfit {
  const taken = new Set(computed.map(({ name }) => name.toLowerCase()));
  const given = new Set(columns.map(({ name }) => name.toLowerCase()));
  const isAbsent = (name: string): boolean => !given.has(name.toLowerCase());
  const keyless = look.primaryKey.filter(isAbsent);
  return {
    source,
    unknown: columns.filter(({ name }) => !taken.has(name.toLowerCase())),
    keyless,
    required: computed
      .filter(({ name, isRequired }) => isRequired && isAbsent(name) && !keyless.includes(name))
      .map(({ name }) => name),
  };
}

interface Judgement {
  readonly flow: FlowSpec;
  readonly look: ComputedLook;
  readonly misfits: readonly Misfit[];
}

function about({ flow, look }: Judgement, misfits: readonly Misfit[]): string {
  return `Flow ${flow.flow_name} writes the rows of ${nameList(misfits.map(({ source }) => source.id))} into ${look.id}`;
}

function unknownColumns(judgement: Judgement): readonly Finding[] {
  const { look } = judgement;
  const found = judgement.misfits.filter(({ unknown }) => unknown.length > 0);
  if (found.length === 0) return [];
  const types = new Map(found.flatMap(({ unknown }) => unknown.map(({ name, type }) => [name, type] as const)));
  const adds = [...types].map(([name, type]) => `ADD COLUMN ${quoteName(name)} ${type} NULL`);
  const message = `${about(judgement, found)}, which has no column ${nameList([...types.keys()])}.`;
  const remedy = `ALTER TABLE ${quoteId(look.id)} ${adds.join(', ')};`;
  return [{ code: 'STORE_COLUMN_UNKNOWN', severity: 'error', subject: `table ${look.id}`, message, remedy }];
}

function missingKeys(judgement: Judgement): readonly Finding[] {
  const { look } = judgement;
  const found = judgement.misfits.filter(({ keyless }) => keyless.length > 0);
  if (found.length === 0) return [];
  const names = [...new Set(found.flatMap(({ keyless }) => keyless))];
  const message = `${about(judgement, found)}, whose key column ${nameList(names)} these rows do not have: they cannot be addressed.`;
  const remedy = '-- key the table by columns that the source has, or compute the key in a function before the Save';
  return [{ code: 'STORE_KEY_MISSING', severity: 'error', subject: `table ${look.id}`, message, remedy }];
}

function missingValues(judgement: Judgement): readonly Finding[] {
  const { look } = judgement;
  const found = judgement.misfits.filter(({ required }) => required.length > 0);
  if (found.length === 0) return [];
  const names = [...new Set(found.flatMap(({ required }) => required))];
  const message = `${about(judgement, found)}, whose column ${nameList(names)} must have a value, and gets none from these rows: they are refused.`;
  const remedy = names
    .map((name) => `ALTER TABLE ${quoteId(look.id)} ALTER COLUMN ${quoteName(name)} SET DEFAULT <value>;`)
    .join('\n');
  return [{ code: 'STORE_CONSTRAINT', severity: 'error', subject: `table ${look.id}`, message, remedy }];
}

/** Computed tables that are not there: the statement that makes each, whole where the rows come straight from one source table. */
export function examineMissing(look: ComputedLook, writers: readonly string[], origin: CopyOrigin | undefined): readonly Finding[] {
  if (look.columns !== undefined) return [];
  const subject = `table ${look.id}`;
  const flows = `flow ${nameList(writers)}`;
  if (look.madeBy !== undefined) {
    const message = `${look.id}, which ${flows} writes, does not exist yet; the migration ${look.madeBy} makes it.`;
    return [{ code: 'STORE_TABLE_MISSING', severity: 'info', subject, message, remedy: '' }];
  }
  const message = `${look.id}, which ${flows} writes, does not exist.`;
  return [{ code: 'STORE_TABLE_MISSING', severity: 'error', subject, message, remedy: createTable(look.id, origin) }];
}

/** The one source table whose rows a computed table takes as they are. */
export interface CopyOrigin {
  readonly source: SourceTable;
  readonly columns: readonly SourceColumn[];
}

function createTable(id: string, origin: CopyOrigin | undefined): string {
  const table = id.slice(id.indexOf('.') + 1);
  const lines =
    origin === undefined
      ? ['  `id` BIGINT NOT NULL, -- the columns of the rows that the flow saves', '  PRIMARY KEY (`id`)']
      : [
          ...origin.columns.map(
            ({ name, type, isNullable }) => `  ${quoteName(name)} ${type} ${isNullable ? 'NULL' : 'NOT NULL'},`,
          ),
          `  PRIMARY KEY (${origin.source.primaryKey.map(quoteName).join(', ') || '<columns>'})`,
        ];
  return [`-- in a new file of migrations/, as ${table}.sql`, `CREATE TABLE ${quoteId(id)} (`, ...lines, ') ENGINE = InnoDB;'].join(
    '\n',
  );
}
