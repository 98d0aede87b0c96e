import { readCheckpoint, type Checkpoint } from '../../checkpoint/checkpoint.ts';
import type { Configuration } from '../../config/configuration.ts';
import type { FlowSpec } from '../../config/spec.ts';
import { unknownName } from '../../config/unknown-name.ts';
import type { FunctionDefinition } from '../../flow/contract.ts';
import { keepsState } from '../../flow/operator/make-operator.ts';
import { requireRereadable, type RereadStep } from '../../flow/reread.ts';
import { CodedError } from '../../lib/error.ts';
import type { Logger } from '../../lib/logger.ts';
import { createRun, readRun } from '../../repair/run-record.ts';
import type { NewRun, Run } from '../../repair/run.ts';
import type { Store } from '../../store/open.ts';

/** Where a run is asked for: the project as whoever asks sees it. The run is done by the daemon that holds the flow. */
export interface RunPlace {
  readonly configuration: Configuration;
  /** Undefined where kisflow's own tables are not in the store. */
  readonly store: Store | undefined;
  /** The project's functions with code. */
  readonly functions: () => Promise<readonly FunctionDefinition[]>;
  readonly logger: Logger;
  /** Nothing is begun once it has aborted. */
  readonly signal: AbortSignal;
}

/** Throws NAME_UNKNOWN. */
export function requireFlow(configuration: Configuration, name: string): FlowSpec {
  const spec = configuration.flows.get(name);
  if (spec === undefined) throw unknownName('flow', name, configuration.flows.keys());
  return spec;
}

/** The flow of this name, with a source. Throws NAME_UNKNOWN; SNAPSHOT_NO_TABLE where a program feeds it. */
export function requireSourceFlow(configuration: Configuration, name: string): FlowSpec & Required<Pick<FlowSpec, 'source'>> {
  const spec = requireFlow(configuration, name);
  const { source } = spec;
  if (source !== undefined) return { ...spec, source };
  throw new CodedError('SNAPSHOT_NO_TABLE', `Flow ${name} has no source, so there are no tables to read: a program feeds it.`);
}

/** Throws FLOW_INCREMENTS where the flow must not be given its rows again. */
export async function requireRereadableFlow({ configuration, functions }: RunPlace, spec: FlowSpec): Promise<void> {
  const definitions = new Map((await functions()).map((definition) => [definition.name, definition]));
  const steps = spec.flows.flatMap(({ fname }): readonly RereadStep[] => {
    const func = configuration.funcs.get(fname);
    if (func === undefined) return [];
    const { operator, option, fmode: mode } = func;
    const step = {
      fname,
      mode,
      operator: operator === undefined ? undefined : { kind: operator.kind, keepsState: keepsState(operator) },
      isRepeatable: option.repeatable,
      definition: definitions.get(fname),
      connector: configuration.conns.get(option.cname ?? ''),
    };
    return [step];
  });
  requireRereadable({ name: spec.flow_name, steps });
}

/** The store, and where the flow stands in it. Throws NAME_UNKNOWN for a flow that has never run. */
export async function requireBegun(
  { store }: RunPlace,
  flow: string,
): Promise<{ readonly store: Store; readonly checkpoint: Checkpoint }> {
  const checkpoint = store === undefined ? undefined : await readCheckpoint(store, flow);
  if (store !== undefined && checkpoint !== undefined) return { store, checkpoint };
  throw new CodedError(
    'NAME_UNKNOWN',
    `Flow ${flow} has never run, so it has nothing to read again: it begins when a daemon starts.`,
  );
}

/** Makes the run that was found right. Throws RUN_EXISTS, STOP_DEADLINE. */
export async function makeRun(
  { signal }: RunPlace,
  { store, ...run }: Omit<NewRun, 'isStart'> & { readonly store: Store },
): Promise<Run> {
  // whoever asked may have gone, or been told that it took too long
  if (signal.aborted) throw new CodedError('STOP_DEADLINE', `The ${run.kind} of flow ${run.flow} was not begun.`);
  return readRun(store, await createRun(store, { ...run, isStart: false }));
}
