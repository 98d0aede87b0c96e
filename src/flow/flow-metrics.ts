import type { Registry } from 'prom-client';
import { loadPrometheus } from '../lib/prometheus.ts';
import type { Flow, FlowStep, RunObserver } from './contract.ts';

/** KisFlow's, in milliseconds. */
const functionBuckets = [0.005, 0.01, 0.03, 0.08, 0.1, 0.5, 1, 5, 10, 100, 1000, 5000, 30_000];
const flowBuckets = [...functionBuckets, 60_000];

/**
 * Counts runs for Prometheus, under KisFlow's names, types, labels and buckets: what a dashboard made for KisFlow shows. Rows and calls
 * count when they begin, times when they end well; a batch that is tried again counts again. `flow_id` is there where the flow has one.
 */
export class FlowMetrics implements RunObserver {
  readonly #client = loadPrometheus();
  readonly #registry = new this.#client.Registry();
  readonly #dataTotal = new this.#client.Counter({
    name: 'kisflow_data_total',
    help: 'Rows given to all flows.',
    registers: [this.#registry],
  });
  readonly #flowDataTotal = new this.#client.Gauge({
    name: 'flow_data_total',
    help: 'Rows given to the flow.',
    labelNames: ['flow_name', 'flow_id'],
    registers: [this.#registry],
  });
  readonly #flowCounts = new this.#client.Gauge({
    name: 'flow_schedule_cnts',
    help: 'Runs of the flow.',
    labelNames: ['flow_name', 'flow_id'],
    registers: [this.#registry],
  });
  readonly #functionCounts = new this.#client.Gauge({
    name: 'func_schedule_cnts',
    help: 'Calls of the function.',
    labelNames: ['func_name', 'func_mode'],
    registers: [this.#registry],
  });
  readonly #functionMs = new this.#client.Histogram({
    name: 'func_run_duration',
    help: 'Milliseconds of one call of the function.',
    labelNames: ['func_name', 'func_mode'],
    buckets: functionBuckets,
    registers: [this.#registry],
  });
  readonly #flowMs = new this.#client.Histogram({
    name: 'flow_run_duration',
    help: 'Milliseconds of one run of the flow.',
    labelNames: ['flow_name', 'flow_id'],
    buckets: flowBuckets,
    registers: [this.#registry],
  });

  /** All figures as Prometheus reads them. */
  async text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** The content type of `text`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** prom-client's registry, to merge it with a program's own or to add to it. */
  get registry(): Registry {
    return this.#registry;
  }

  runBegan(flow: Flow, rows: number): void {
    this.#dataTotal.inc(rows);
    this.#flowDataTotal.inc(flowLabels(flow), rows);
    this.#flowCounts.inc(flowLabels(flow));
  }

  stepBegan(_flow: Flow, step: FlowStep): void {
    this.#functionCounts.inc(stepLabels(step));
  }

  stepEnded(_flow: Flow, step: FlowStep, ms: number): void {
    this.#functionMs.observe(stepLabels(step), ms);
  }

  runEnded(flow: Flow, ms: number): void {
    this.#flowMs.observe(flowLabels(flow), ms);
  }
}

function flowLabels(flow: Flow): { flow_name: string; flow_id?: string } {
  return { flow_name: flow.name, ...(flow.id === undefined ? {} : { flow_id: flow.id }) };
}

function stepLabels(step: FlowStep): { func_name: string; func_mode: string } {
  return { func_name: step.fname, func_mode: step.mode };
}
