import type { RowTrace } from '../row/row-trace.ts';
import type { FlowContext } from './contract.ts';

const traces = new WeakMap<FlowContext, RowTrace>();

/** Who is told where a function's rows come from; undefined where its flow keeps no lineage. */
export function traceOf(flow: FlowContext): RowTrace | undefined {
  return traces.get(flow);
}

export function setTrace(flow: FlowContext, trace: RowTrace): void {
  traces.set(flow, trace);
}
