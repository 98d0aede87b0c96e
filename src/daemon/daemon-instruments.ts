import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const changes = [1, 10, 100, 500, 1000, 2500, 5000, 10_000];

/** What a daemon counts and measures, on one registry. No label has values that grow with the data. */
export type DaemonInstruments = ReturnType<typeof makeInstruments>;

export function makeInstruments(registry: Registry) {
  return { ...makeCounters(registry), ...makeHistograms(registry), ...makeProcessInstruments(registry) };
}

function makeCounters(registry: Registry) {
  const registers = [registry];
  const perFlow = <T extends string>(name: string, help: string, more: readonly T[] = []): Counter<'flow' | T> =>
    new Counter({ name, help, labelNames: ['flow', ...more], registers });
  return {
    batches: perFlow('kisflow_batches_total', 'Batches committed; those without changes do not count.'),
    changes: perFlow('kisflow_changes_total', 'Changes of the flow’s tables in committed batches.'),
    bytes: perFlow('kisflow_binlog_bytes_total', 'Binlog bytes of these changes.'),
    rowsIn: perFlow('kisflow_rows_in_total', 'Rows that the flow’s functions were given, in committed batches.'),
    rowsOut: perFlow('kisflow_rows_out_total', 'Rows that functions of mode Save were given, in committed batches.'),
    rowsFiltered: perFlow('kisflow_rows_filtered_total', 'Changes that the flow does not receive (deletes, with rows: after).'),
    rowsDead: perFlow('kisflow_rows_dead_total', 'Changes that became dead rows.'),
    rowsSkipped: perFlow('kisflow_rows_skipped_total', 'Changes that were skipped with a record.'),
    rowsParked: perFlow(
      'kisflow_rows_parked_total',
      'Changes that were put aside: they wait, or stand behind one that waits or is dead.',
    ),
    tableStatements: perFlow('kisflow_table_statements_total', 'Statements about whole tables that were passed.', [
      'op',
      'outcome',
    ]),
    retries: perFlow('kisflow_retries_total', 'Failures that may pass by themselves and were tried again.', ['code']),
    errors: perFlow('kisflow_errors_total', 'Failures that ended a run of the flow.', ['code']),
    functionRetries: perFlow('kisflow_function_retries_total', 'Further tries of a function (retry_times).', ['function']),
    storeStatements: perFlow('kisflow_store_statements_total', 'Statements of batches.'),
  };
}

function makeHistograms(registry: Registry) {
  const registers = [registry];
  return {
    functionSeconds: new Histogram({
      name: 'kisflow_function_duration_seconds',
      help: 'One call of a function, its further tries and the store’s part included.',
      labelNames: ['flow', 'function'],
      buckets: seconds,
      registers,
    }),
    storeSeconds: new Histogram({
      name: 'kisflow_store_duration_seconds',
      help: 'A batch’s time in the store. wait: for the batch before to commit; statements; commit.',
      labelNames: ['flow', 'phase'],
      buckets: seconds,
      registers,
    }),
    batchSeconds: new Histogram({
      name: 'kisflow_batch_duration_seconds',
      help: 'One batch, from the moment that it is taken to its commit; its last try, where it had more.',
      labelNames: ['flow'],
      buckets: seconds,
      registers,
    }),
    batchChanges: new Histogram({
      name: 'kisflow_batch_changes',
      help: 'Changes in a batch.',
      labelNames: ['flow'],
      buckets: changes,
      registers,
    }),
  };
}

function makeProcessInstruments(registry: Registry) {
  const registers = [registry];
  return {
    spans: new Counter({
      name: 'kisflow_trace_spans_total',
      help: 'Spans of traces: sent, not taken by the collector (failed), or left out because the queue was full (dropped).',
      labelNames: ['result'],
      registers,
    }),
    reloads: new Counter({
      name: 'kisflow_reloads_total',
      help: 'Changes of the project that took effect, or were refused.',
      labelNames: ['result'],
      registers,
    }),
    reloadRefused: new Gauge({
      name: 'kisflow_reload_refused',
      help: '1: a change of the project is refused, and the version before goes on.',
      registers,
    }),
    buildInfo: new Gauge({ name: 'kisflow_build_info', help: 'Always 1.', labelNames: ['version', 'node'], registers }),
  };
}
