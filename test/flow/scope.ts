import { makeMemoryConnector } from '../../src/connector/memory.ts';
import type { BatchScope } from '../../src/connector/contract.ts';
import type { FlowContext, FlowStep, FunctionDefinition } from '../../src/flow/contract.ts';
import { CodedError } from '../../src/lib/error.ts';
import { silentLogger } from '../../src/lib/logger.ts';

/** A batch without a store. */
export function makeScope(over: Partial<BatchScope> = {}): BatchScope {
  return { id: 'batch-1', flow: 'f', store: null, signal: new AbortController().signal, logger: silentLogger, ...over };
}

type RunFunction = (flow: FlowContext, rows: readonly unknown[]) => void | Promise<void>;

/** A step that runs this code. */
export function makeStep(fname: string, run: RunFunction | undefined, over: Partial<FlowStep> = {}): FlowStep {
  const definition: FunctionDefinition | undefined = run === undefined ? undefined : { name: fname, run };
  return {
    fname,
    mode: 'Calculate',
    definition,
    connector: undefined,
    params: {},
    must: [],
    retryTimes: 0,
    retryDelayMs: 0,
    timeoutMs: 5000,
    ...over,
  };
}

export function makeMemory(params: Readonly<Record<string, string>> = {}): ReturnType<typeof makeMemoryConnector> {
  return makeMemoryConnector({ name: 'table', type: 'memory', addrs: '', key: '', params });
}

/** The CodedError that the work rejects with; fails when it rejects with anything else, or not at all. */
export async function codedErrorOf(work: Promise<unknown>): Promise<CodedError> {
  const outcome = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof CodedError) return outcome;
  throw new Error(`expected a CodedError, not ${String(outcome)}`, { cause: outcome });
}
