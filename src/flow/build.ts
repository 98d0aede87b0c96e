import { CodedError } from '../lib/error.ts';
import type { Flow, FlowStep, FunctionMode, FunctionParams, MissingPolicy } from './contract.ts';
import type { Registry } from './registry.ts';

/** How long a function may run when nothing else is said. */
export const defaultTimeoutMs = 30_000;

/** One function in its place in a flow, as plain data: names instead of things. */
export interface StepOptions {
  readonly fname: string;
  /** Calculate unless said otherwise. */
  readonly mode?: FunctionMode | undefined;
  /** The connector's name. */
  readonly connector?: string | undefined;
  /** The function's own parameters; the flow's `params` overlay them. */
  readonly defaultParams?: FunctionParams | undefined;
  readonly params?: FunctionParams | undefined;
  /** Fields that every input row must have. */
  readonly must?: readonly string[] | undefined;
  /** Further tries when the function throws; 0 unless said otherwise. */
  readonly retryTimes?: number | undefined;
  /** Before the first further try; doubled for each one after it. */
  readonly retryDelayMs?: number | undefined;
  /** 0: no limit. */
  readonly timeoutMs?: number | undefined;
  /** Of a Load function without code, for a row that it finds nothing for; `null` unless said otherwise. */
  readonly missing?: MissingPolicy | undefined;
}

/** A flow as plain data. */
export interface FlowOptions {
  readonly name: string;
  /** True unless said otherwise; a disabled flow runs nothing. */
  readonly isEnabled?: boolean | undefined;
  readonly steps: readonly StepOptions[];
}

/**
 * Makes a flow from names: looks up its functions and connectors in the registry. All missing names are reported at once, as one
 * CONFIG_INVALID. The flow is not registered.
 */
export function buildFlow(options: FlowOptions, registry: Registry): Flow {
  const problems = options.steps.flatMap((step) => findProblems(step, registry));
  if (problems.length > 0) {
    throw new CodedError('CONFIG_INVALID', `Flow ${options.name}:\n${problems.map((problem) => `  ${problem}`).join('\n')}`, {
      details: { flow: options.name, problems: problems.length },
    });
  }
  return {
    name: options.name,
    isEnabled: options.isEnabled ?? true,
    steps: options.steps.map((step) => buildStep(step, registry)),
  };
}

function findProblems(step: StepOptions, registry: Registry): readonly string[] {
  const problems: string[] = [];
  const { fname, connector, mode } = step;
  if (connector !== undefined && registry.getConnector(connector) === undefined) {
    problems.push(
      `function ${fname} names the connector ${connector}, which is not known. ${known(registry.connectors.map((one) => one.name))}`,
    );
  }
  const runsWithoutCode = (mode === 'Save' || mode === 'Load') && connector !== undefined;
  if (registry.getFunction(fname) === undefined && !runsWithoutCode) {
    const hint = mode === 'Save' || mode === 'Load' ? ', or give it a connector' : '';
    problems.push(
      `function ${fname} has no code: add functions/${fname}.ts or register it${hint}. ${known(registry.functionNames)}`,
    );
  }
  return problems;
}

function known(names: readonly string[]): string {
  return names.length === 0 ? 'None is known.' : `Known: ${names.toSorted().join(', ')}.`;
}

function buildStep(step: StepOptions, registry: Registry): FlowStep {
  return {
    fname: step.fname,
    mode: step.mode ?? 'Calculate',
    definition: registry.getFunction(step.fname),
    connector: step.connector === undefined ? undefined : registry.getConnector(step.connector),
    params: Object.freeze({ ...step.defaultParams, ...step.params }),
    must: step.must ?? [],
    retryTimes: step.retryTimes ?? 0,
    retryDelayMs: step.retryDelayMs ?? 0,
    timeoutMs: step.timeoutMs ?? defaultTimeoutMs,
    missing: step.missing,
  };
}
