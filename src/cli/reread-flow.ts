import type { Configuration } from '../config/configuration.ts';
import type { FlowSpec } from '../config/spec.ts';
import { unknownName } from '../config/unknown-name.ts';
import { loadFunctions } from '../flow/loader.ts';
import { keepsState } from '../flow/operator/make-operator.ts';
import { requireRereadable, type RereadStep } from '../flow/reread.ts';
import { CodedError } from '../lib/error.ts';
import type { CommandContext } from './command.ts';
import { folderOrNone } from './project.ts';

/** The flow of this name, with a source. Throws NAME_UNKNOWN; SNAPSHOT_NO_TABLE where a program feeds it. */
export function requireSourceFlow(configuration: Configuration, name: string): FlowSpec & Required<Pick<FlowSpec, 'source'>> {
  const spec = configuration.flows.get(name);
  if (spec === undefined) throw unknownName('flow', name, configuration.flows.keys());
  const { source } = spec;
  if (source !== undefined) return { ...spec, source };
  throw new CodedError('SNAPSHOT_NO_TABLE', `Flow ${name} has no source, so there are no tables to read: a program feeds it.`);
}

/** Throws FLOW_INCREMENTS where the flow must not be given its rows again. */
export async function requireRereadableFlow(context: CommandContext, configuration: Configuration, spec: FlowSpec): Promise<void> {
  requireRereadable({ name: spec.flow_name, steps: await readSteps(context, configuration, spec) });
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
