import { CodedError } from '../lib/error.ts';
import type { Connector, ConnectorOptions } from '../connector/contract.ts';
import type { ConnectorCall, ConnectorInit, Flow, FunctionDefinition, FunctionMode } from './contract.ts';

/**
 * The functions, connectors with their inits and calls, and flows that a process knows, each by its name (KisFlow's KisPool). A
 * name is given once: a second registration is CONFIG_INVALID, never a silent replacement.
 */
export class Registry {
  readonly #functions = new Map<string, FunctionDefinition>();
  readonly #connectors = new Map<string, Connector>();
  readonly #connectorOptions = new Map<string, ConnectorOptions>();
  readonly #connectorInits = new Map<string, ConnectorInit>();
  readonly #connectorCalls = new Map<string, ConnectorCall>();
  readonly #flows = new Map<string, Flow>();

  registerFunction(definition: FunctionDefinition): void {
    add(this.#functions, { name: definition.name, thing: definition, kind: 'functions named' });
  }

  /** `options` is what the connector was made from, for its calls to see. */
  registerConnector(connector: Connector, options?: ConnectorOptions): void {
    add(this.#connectors, { name: connector.name, thing: connector, kind: 'connectors named' });
    if (options !== undefined) this.#connectorOptions.set(connector.name, options);
  }

  registerConnectorInit(init: ConnectorInit): void {
    add(this.#connectorInits, { name: init.connector, thing: init, kind: 'inits of connector' });
  }

  registerConnectorCall(call: ConnectorCall): void {
    const { connector, mode } = call;
    add(this.#connectorCalls, { name: callName(connector, call.function, mode), thing: call, kind: 'calls of connector' });
  }

  registerFlow(flow: Flow): void {
    add(this.#flows, { name: flow.name, thing: flow, kind: 'flows named' });
  }

  getFunction(name: string): FunctionDefinition | undefined {
    return this.#functions.get(name);
  }

  getConnector(name: string): Connector | undefined {
    return this.#connectors.get(name);
  }

  getConnectorOptions(name: string): ConnectorOptions | undefined {
    return this.#connectorOptions.get(name);
  }

  getConnectorInit(connector: string): ConnectorInit | undefined {
    return this.#connectorInits.get(connector);
  }

  getConnectorCall(connector: string, fname: string, mode: FunctionMode): ConnectorCall | undefined {
    return this.#connectorCalls.get(callName(connector, fname, mode));
  }

  getFlow(name: string): Flow | undefined {
    return this.#flows.get(name);
  }

  get functionNames(): readonly string[] {
    return [...this.#functions.keys()];
  }

  get connectors(): readonly Connector[] {
    return [...this.#connectors.values()];
  }

  get connectorInits(): readonly ConnectorInit[] {
    return [...this.#connectorInits.values()];
  }

  get connectorCalls(): readonly ConnectorCall[] {
    return [...this.#connectorCalls.values()];
  }

  get flows(): readonly Flow[] {
    return [...this.#flows.values()];
  }
}

function callName(connector: string, fname: string, mode: FunctionMode): string {
  return `${connector} for function ${fname} in mode ${mode}`;
}

/** `kind` is what two of a name are called. */
function add<T>(known: Map<string, T>, { name, thing, kind }: { name: string; thing: T; kind: string }): void {
  if (known.has(name)) {
    const remedy = kind.endsWith('named') ? 'give one of them another name' : 'register one of them';
    throw new CodedError('CONFIG_INVALID', `There are two ${kind} ${name}; ${remedy}.`);
  }
  known.set(name, thing);
}
