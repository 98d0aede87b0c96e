import { CodedError } from '../lib/error.ts';
import type { Connector } from '../connector/contract.ts';
import type { Flow, FunctionDefinition } from './contract.ts';

/**
 * The functions, connectors and flows that a process knows, each by its name (KisFlow's KisPool). A name is given once: a second
 * registration is CONFIG_INVALID, never a silent replacement.
 */
export class Registry {
  readonly #functions = new Map<string, FunctionDefinition>();
  readonly #connectors = new Map<string, Connector>();
  readonly #flows = new Map<string, Flow>();

  registerFunction(definition: FunctionDefinition): void {
    add(this.#functions, definition, 'function');
  }

  registerConnector(connector: Connector): void {
    add(this.#connectors, connector, 'connector');
  }

  registerFlow(flow: Flow): void {
    add(this.#flows, flow, 'flow');
  }

  getFunction(name: string): FunctionDefinition | undefined {
    return this.#functions.get(name);
  }

  getConnector(name: string): Connector | undefined {
    return this.#connectors.get(name);
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

  get flows(): readonly Flow[] {
    return [...this.#flows.values()];
  }
}

function add<T extends { readonly name: string }>(known: Map<string, T>, thing: T, kind: string): void {
  if (known.has(thing.name)) {
    throw new CodedError('CONFIG_INVALID', `There are two ${kind}s named ${thing.name}; give one of them another name.`);
  }
  known.set(thing.name, thing);
}
