import { readCheckpoint } from '../checkpoint/checkpoint.ts';
import { computedTables, isSameServer, storeDatabaseOf } from '../config/plan.ts';
import type { Configuration } from '../config/configuration.ts';
import type { FlowSpec } from '../config/spec.ts';
import { keepsState } from '../flow/operator/make-operator.ts';
import { loadFunctions } from '../flow/loader.ts';
import { requireRereadable, type RereadStep } from '../flow/reread.ts';
import { CodedError } from '../lib/error.ts';
import { createRun, readRun } from '../repair/run-record.ts';
import { compilePatterns } from '../router/router.ts';
import { parseTablePattern } from '../router/table-pattern.ts';
import type { Store } from '../store/open.ts';
import { reservedTables } from './check/source-tables.ts';
import { exitCode, UsageError, type Command, type CommandContext } from './command.ts';
import { unknownName } from '../config/unknown-name.ts';
import { withExistingStore, type OpenProject } from './existing-store.ts';
import { folderOrNone } from './project.ts';
import { followRun, howToEnd, printRun, whyItStands } from './runs/follow.ts';

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
      const { positionals, options } = context;
      const id = await createRun(store, {
        flow: positionals[0] ?? '',
        kind: 'snapshot',
        isStart: false,
        options: readAsked(context),
      });
      if (options['detach'] !== true) return followRun({ context, project, store, id });
      const run = await readRun(store, id);
      const standing = await whyItStands({ project, store }, run);
      printRun(context, run, standing === undefined ? howToEnd(run) : `${howToEnd(run)} Now it is ${standing}.`);
      return exitCode.done;
    }),
};

/** Everything that can be wrong with what is asked; the store, which a flow that has run has. */
async function examine(context: CommandContext, { configuration, store }: OpenProject): Promise<Store> {
  const [flow = ''] = context.positionals;
  const { tables } = readAsked(context);
  const spec = requireFlow(configuration, flow);
  for (const table of tables) requireTable(configuration, spec, table);
  requireRereadable({ name: flow, steps: await readSteps(context, configuration, spec) });
  if (store !== undefined && (await readCheckpoint(store, flow)) !== undefined) return store;
  throw new CodedError(
    'NAME_UNKNOWN',
    `Flow ${flow} has never run, so it has nothing to read again: it begins when a daemon starts.`,
  );
}

function readAsked({ options }: CommandContext): { readonly tables: string[]; readonly where?: string } {
  const { table, where } = options;
  const tables = Array.isArray(table) ? [...new Set(table)] : [];
  if (where === undefined) return { tables };
  if (tables.length === 0) throw new UsageError('--where is a condition on the rows of a table: name it with --table.');
  if (String(where).trim() === '') throw new UsageError('--where takes a condition in SQL.');
  return { tables, where: String(where) };
}

function requireFlow(configuration: Configuration, name: string): FlowSpec {
  const spec = configuration.flows.get(name);
  if (spec === undefined) throw unknownName('flow', name, configuration.flows.keys());
  if (spec.source !== undefined) return spec;
  throw new CodedError('SNAPSHOT_NO_TABLE', `Flow ${name} has no source, so there are no tables to read: a program feeds it.`);
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

/** The flow's functions as far as it is to be told whether they may be given their rows again. */
async function readSteps(context: CommandContext, configuration: Configuration, spec: FlowSpec): Promise<readonly RereadStep[]> {
  const folder = await folderOrNone(context.functions);
  const loaded = folder === undefined ? [] : await loadFunctions(folder);
  const definitions = new Map(loaded.map(({ definition }) => [definition.name, definition]));
  return spec.flows.flatMap(({ fname }) => {
    const func = configuration.funcs.get(fname);
    if (func === undefined) return [];
    const { operator, option, fmode: mode } = func;
    return {
      fname,
      mode,
      operator: operator === undefined ? undefined : { kind: operator.kind, keepsState: keepsState(operator) },
      isRepeatable: option.repeatable,
      definition: definitions.get(fname),
      connector: configuration.conns.get(option.cname ?? ''),
    };
  });
}
