/**
 * Whether a flow may be given rows again that it has had: a snapshot of a flow that runs, and a replay, do so. It may when that changes nothing
 * but what has changed at the source. Where nobody can know that, it may not, unless the function says so (`repeatable: true`).
 */
import type { Connector } from '../connector/contract.ts';
import { CodedError } from '../lib/error.ts';
import type { FlowStep, FunctionDefinition } from './contract.ts';

/** A function in its place in a flow, as far as this needs it; every FlowStep is one. */
export interface RereadStep extends Pick<FlowStep, 'fname' | 'mode' | 'operator' | 'isRepeatable'> {
  /** Its code, where it has some. */
  readonly definition: Pick<FunctionDefinition, 'repeatable'> | undefined;
  readonly connector: Pick<Connector, 'type'> | undefined;
}

/** A function that stands in the way; `why` goes on where the sentence names it. */
export interface Increment {
  readonly fname: string;
  readonly why: string;
}

/** Kinds of connector whose own save writes a row by its key, so that writing it again leaves it as it is. */
const keyedTypes = new Set(['mysql', 'tidb', 'redis', 'memory']);

/** The functions for which a flow of these steps cannot be read again; none: it can. */
export function findIncrements(steps: readonly RereadStep[]): readonly Increment[] {
  return steps.flatMap((step) => {
    const why = whyNot(step);
    return why === undefined ? [] : [{ fname: step.fname, why }];
  });
}

/** Throws FLOW_INCREMENTS, with every function that stands in the way. */
export function requireRereadable({ name, steps }: { readonly name: string; readonly steps: readonly RereadStep[] }): void {
  const found = findIncrements(steps);
  if (found.length === 0) return;
  const list = found.map(({ fname, why }) => `${fname} ${why}`).join('; ');
  throw new CodedError('FLOW_INCREMENTS', `Flow ${name} cannot be given its rows again: ${list}.`, { details: { flow: name } });
}

function whyNot({ mode, operator, definition, connector, isRepeatable = false }: RereadStep): string | undefined {
  if (operator !== undefined)
    return operator.keepsState ? `is the operator ${operator.kind}, which keeps what it has seen` : undefined;
  if (isRepeatable || definition?.repeatable === true) return undefined;
  if (definition === undefined) {
    if (mode !== 'Save' || connector === undefined || keyedTypes.has(connector.type)) return undefined;
    return `saves by the connector type ${connector.type}, which may write a row twice, and does not say that it is repeatable`;
  }
  if (mode === 'Save') return 'saves in code, and does not say that it is repeatable';
  if (connector !== undefined) return 'uses a connector in code, and does not say that it is repeatable';
  return undefined;
}
