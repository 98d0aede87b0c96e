import { computedTables, isSameServer, storeDatabaseOf } from '../config/plan.ts';
import type { Configuration } from '../config/configuration.ts';
import type { FlowSpec } from '../config/spec.ts';
import { CodedError } from '../lib/error.ts';
import { compilePatterns } from '../router/router.ts';
import { parseTablePattern } from '../router/table-pattern.ts';
import type { Store } from '../store/open.ts';
import { reservedTables } from './check/source-tables.ts';
import { UsageError, type Command, type CommandContext } from './command.ts';
import { withExistingStore, type OpenProject } from './existing-store.ts';
import { requireRereadableFlow, requireSourceFlow } from './reread-flow.ts';
import { beginRun, requireBegun } from './runs/begin.ts';

/** Has a flow's tables read as they are, beside the stream. Exit 1 when that failed, was cancelled, or was left before it ended. */
export const snapshot: Command = {
  usage: 'FLOW [--table SCHEMA.TABLE]… [--where SQL] [--detach]',
  positionals: [1, 1],
  options: {
    table: { type: 'string', multiple: true },
    where: { type: 'string' },
    detach: { type: 'boolean' },
  },
  run: (context) =>
    withExistingStore(context, async (project) => {
      const store = await examine(context, project);
      const flow = context.positionals[0] ?? '';
      return beginRun({ context, project, store, run: { flow, kind: 'snapshot', options: readAsked(context) } });
    }),
};

/** Everything that can be wrong with what is asked; the store, which a flow that has run has. */
async function examine(context: CommandContext, { configuration, store }: OpenProject): Promise<Store> {
  const [flow = ''] = context.positionals;
  const { tables } = readAsked(context);
  const spec = requireSourceFlow(configuration, flow);
  for (const table of tables) requireTable(configuration, spec, table);
  await requireRereadableFlow(context, configuration, spec);
  return (await requireBegun(store, flow)).store;
}

function readAsked({ options }: CommandContext): { readonly tables: string[]; readonly where?: string } {
  const { table, where } = options;
  const tables = Array.isArray(table) ? [...new Set(table)] : [];
  if (where === undefined) return { tables };
  if (tables.length === 0) throw new UsageError('--where is a condition on the rows of a table: name it with --table.');
  if (String(where).trim() === '') throw new UsageError('--where takes a condition in SQL.');
  return { tables, where: String(where) };
}

/** Throws SNAPSHOT_NO_TABLE where the flow does not read a table of this name, whether there is one or not. */
function requireTable(configuration: Configuration, { flow_name: flow, source }: FlowSpec, text: string): void {
  const table = parseTablePattern(text);
  if (table === undefined || !table.isExplicit) throw new UsageError(`--table takes schema.table, not "${text}".`);
  const patterns = source?.tables ?? [];
  const spec = configuration.sources.get(source?.name ?? '');
  const database = storeDatabaseOf(configuration);
  const isHere = spec !== undefined && isSameServer(configuration, spec);
  const wants = compilePatterns(patterns, isHere ? reservedTables(computedTables(configuration, database), database) : undefined);
  if (wants(table.schema, table.table)) return;
  throw new CodedError('SNAPSHOT_NO_TABLE', `Flow ${flow} does not read the table ${text}. It reads ${patterns.join(', ')}.`);
}
