import { CodedError, describeError } from '../lib/error.ts';
import type { FlowStep } from './contract.ts';

/** The step whose error is made. */
export interface StepPlace {
  readonly flowName: string;
  readonly step: FlowStep;
}

/**
 * What the run rejects with when a step failed with `error`. A CodedError passes unchanged: it is a connector's, or the function
 * chose it (ROW_INVALID of class row makes a row dead). Anything else is FUNCTION_FAILED, of the class of a CodedError among its
 * causes: a wrapped deadlock is still tried again.
 */
export function stepError(place: StepPlace, error: unknown): CodedError {
  if (error instanceof CodedError) return error;
  const { flowName, step } = place;
  return new CodedError('FUNCTION_FAILED', `Flow ${flowName}: function ${step.fname} failed: ${describeError(error)}`, {
    class: codedCause(error)?.class ?? 'stop',
    cause: error,
    details: { flow: flowName, function: step.fname },
  });
}

/**
 * Whether the step alone may be tried again: its own code failed, or a storage outside the batch's transaction did. After an
 * error of the store the transaction is gone, and only the whole batch can be tried again.
 */
export function isStepRetry(error: unknown): boolean {
  const coded = codedCause(error);
  return coded === undefined || (coded.code === 'CONNECTOR_FAILED' && coded.class === 'retry');
}

/** The function did not return in time. */
export function timeoutError(place: StepPlace): CodedError {
  const { flowName, step } = place;
  const message = `Flow ${flowName}: function ${step.fname} did not return within ${step.timeoutMs} ms. Make it faster, or raise its option.timeout.`;
  return new CodedError('FUNCTION_TIMEOUT', message, {
    details: { flow: flowName, function: step.fname, timeoutMs: step.timeoutMs },
  });
}

/** The run was stopped from outside, by its scope's signal. */
export function stoppedError(flowName: string, reason: unknown): CodedError {
  if (reason instanceof CodedError) return reason;
  return new CodedError('STOP_DEADLINE', `Flow ${flowName}: the run was stopped before it had finished.`, {
    class: 'retry',
    cause: reason,
    details: { flow: flowName },
  });
}

/** A jump that leads nowhere, or never ends. */
export function jumpError(place: StepPlace, problem: string): CodedError {
  const { flowName, step } = place;
  return new CodedError('FUNCTION_JUMP', `Flow ${flowName}: function ${step.fname} ${problem}.`, {
    details: { flow: flowName, function: step.fname },
  });
}

function codedCause(error: unknown): CodedError | undefined {
  let current = error;
  // Bounded: causes may form a ring.
  for (let depth = 0; depth < 16 && current instanceof Error; depth += 1) {
    if (current instanceof CodedError) return current;
    current = current.cause;
  }
  return undefined;
}
