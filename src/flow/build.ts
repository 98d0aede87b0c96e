import { CodedError } from '../lib/error.ts';
import type { Flow, FlowStep, FunctionDefinition, FunctionMode, FunctionParams, MissingPolicy } from './contract.ts';
import { InitConnector } from './init-connector.ts';
import { unknownFields, type Fields } from './operator/field.ts';
import { keepsState, makeOperator, type OperatorOptions } from './operator/make-operator.ts';
import { readsOf } from './operator/reads.ts';
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
  /** What it does, when it is an operator and has no code. */
  readonly operator?: OperatorOptions | undefined;
  /** The columns of its connector's table, for an operator, where they are known. */
  readonly columns?: Fields | undefined;
  /** Fields that every input row must have. */
  readonly must?: readonly string[] | undefined;
  /** Further tries when the function throws; 0 unless said otherwise. */
  readonly retryTimes?: number | undefined;
  /** Before the first further try; doubled for each one after it. */
  readonly retryDelayMs?: number | undefined;
  /** 0: no limit. */
  readonly timeoutMs?: number | undefined;
  /** Giving it the same rows again changes nothing. */
  readonly isRepeatable?: boolean | undefined;
  /** Of a Load function without code, for a row that it finds nothing for; `null` unless said otherwise. */
  readonly missing?: MissingPolicy | undefined;
}

/** A flow as plain data. */
export interface FlowOptions {
  readonly name: string;
  /** KisFlow's flow_id, a label of its metrics. */
  readonly id?: string | undefined;
  /** True unless said otherwise; a disabled flow runs nothing. */
  readonly isEnabled?: boolean | undefined;
  /** `full` unless said otherwise; see Flow. */
  readonly rowImage?: 'full' | 'partial' | undefined;
  readonly steps: readonly StepOptions[];
  /** The fields of the flow's rows, for operators, where they are known. */
  readonly fields?: Fields | undefined;
}

/**
 * Makes a flow from names: looks up its functions and connectors in the registry. All missing names are reported at once, as one
 * CONFIG_INVALID. The flow is not registered.
 */
export function buildFlow(options: FlowOptions, registry: Registry): Flow {
  const operators = buildOperators(options, registry);
  const problems = [...options.steps.flatMap((step) => findProblems(step, registry)), ...operators.problems];
  if (problems.length > 0) {
    throw new CodedError('CONFIG_INVALID', `Flow ${options.name}:\n${problems.map((problem) => `  ${problem}`).join('\n')}`, {
      details: { flow: options.name, problems: problems.length },
    });
  }
  return {
    name: options.name,
    ...(options.id === undefined ? {} : { id: options.id }),
    isEnabled: options.isEnabled ?? true,
    ...(options.rowImage === undefined ? {} : { rowImage: options.rowImage }),
    steps: options.steps.map((step, index) => buildStep(step, registry, operators.definitions[index])),
  };
}

/** The operators among the steps, each for the rows that the one before it gives. */
function buildOperators(
  options: FlowOptions,
  registry: Registry,
): { readonly definitions: readonly (FunctionDefinition | undefined)[]; readonly problems: readonly string[] } {
  const problems: string[] = [];
  let fields = options.fields ?? unknownFields;
  const definitions = options.steps.map((step): FunctionDefinition | undefined => {
    if (step.operator === undefined) {
      if (registry.getFunction(step.fname) !== undefined || step.mode === 'Load') fields = unknownFields;
      return undefined;
    }
    const made = makeOperator(step.operator, fields, step.columns ?? unknownFields);
    problems.push(...made.problems.map(({ path, message, remedy }) => `function ${step.fname}, ${path}: ${message}; ${remedy}`));
    fields = made.fields;
    return made.run === undefined ? undefined : { name: step.fname, run: made.run };
  });
  return { definitions, problems };
}

function findProblems(step: StepOptions, registry: Registry): readonly string[] {
  const problems: string[] = [];
  const { fname, connector, mode = 'Calculate' } = step;
  if (connector !== undefined && registry.getConnector(connector) === undefined) {
    problems.push(
      `function ${fname} names the connector ${connector}, which is not known. ${known(registry.connectors.map((one) => one.name))}`,
    );
  }
  const definition = registry.getFunction(fname);
  const canSave = connector !== undefined && !(registry.getConnector(connector) instanceof InitConnector);
  const runsWithoutCode = step.operator !== undefined || ((mode === 'Save' || mode === 'Load') && canSave);
  if (definition === undefined && !runsWithoutCode) {
    const hint = mode === 'Save' || mode === 'Load' ? ', or give it a connector that saves and loads by itself' : '';
    problems.push(
      `function ${fname} has no code: add functions/${fname}.ts or register it${hint}. ${known(registry.functionNames)}`,
    );
  }
  if (definition?.callsConnector === true) problems.push(...findCallProblems(step, registry));
  return problems;
}

function findCallProblems({ fname, connector, mode = 'Calculate' }: StepOptions, registry: Registry): readonly string[] {
  if (connector === undefined) return [`function ${fname} calls a connector and names none in its option.cname`];
  if (registry.getConnectorCall(connector, fname, mode) !== undefined) return [];
  return [`function ${fname} calls the connector ${connector}, and no call is registered for it in mode ${mode}`];
}

/**
 * What is wrong with registered inits and calls: each must be for a connector that is there, and each call for a function of that
 * mode which names the connector. `functions` are all that the program or the configuration has.
 */
export function findUnusedRegistrations(
  registry: Registry,
  project: { readonly connectorNames: ReadonlySet<string>; readonly functions: readonly StepOptions[] },
): readonly string[] {
  const isUnknown = (name: string): boolean => !project.connectorNames.has(name);
  const inits = registry.connectorInits.flatMap(({ connector: name }) => {
    if (isUnknown(name)) return [`an init is registered for the connector ${name}, which there is not`];
    const made = registry.getConnector(name);
    const isMade = made !== undefined && !(made instanceof InitConnector);
    return isMade ? [`an init is registered for the connector ${name}, which the program has made already`] : [];
  });
  const calls = registry.connectorCalls.flatMap((call) => {
    const what = `a call is registered for connector ${call.connector}, function ${call.function}, mode ${call.mode}`;
    if (isUnknown(call.connector)) return [`${what}: there is no such connector`];
    const functions = project.functions.filter(({ fname }) => fname === call.function);
    const fits = functions.some(({ connector, mode }) => connector === call.connector && (mode ?? 'Calculate') === call.mode);
    if (fits) return [];
    const [found] = functions;
    if (found === undefined) return [`${what}: there is no such function`];
    return [`${what}: the function's mode is ${found.mode ?? 'Calculate'}, and its connector ${found.connector ?? 'none'}`];
  });
  return [...inits, ...calls];
}

function known(names: readonly string[]): string {
  return names.length === 0 ? 'None is known.' : `Known: ${names.toSorted().join(', ')}.`;
}

function buildStep(step: StepOptions, registry: Registry, operator: FunctionDefinition | undefined): FlowStep {
  const { fname, connector, mode = 'Calculate' } = step;
  return {
    fname,
    mode,
    definition: operator ?? registry.getFunction(fname),
    connector: connector === undefined ? undefined : registry.getConnector(connector),
    connectorOptions: connector === undefined ? undefined : registry.getConnectorOptions(connector),
    connectorCall: connector === undefined ? undefined : registry.getConnectorCall(connector, fname, mode),
    params: Object.freeze({ ...step.defaultParams, ...step.params }),
    must: step.must ?? [],
    retryTimes: step.retryTimes ?? 0,
    retryDelayMs: step.retryDelayMs ?? 0,
    timeoutMs: step.timeoutMs ?? defaultTimeoutMs,
    missing: step.missing,
    ...(operator === undefined || step.operator === undefined
      ? {}
      : { reads: readsOf(step.operator), operator: { kind: step.operator.kind, keepsState: keepsState(step.operator) } }),
    ...(step.isRepeatable === true ? { isRepeatable: true } : {}),
  };
}
