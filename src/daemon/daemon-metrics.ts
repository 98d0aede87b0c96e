import { collectDefaultMetrics, type Registry } from 'prom-client';
import type { CodedError } from '../lib/error.ts';
import { isEmpty } from './batch.ts';
import type { BatchTrail, FlowObserver } from './batch-trail.ts';
import { makeInstruments, type DaemonInstruments } from './daemon-instruments.ts';
import { addGauges } from './daemon-gauges.ts';
import type { DaemonView } from './daemon-view.ts';

/**
 * The figures of a daemon for Prometheus, beside KisFlow's own (see FlowMetrics). Counters and histograms are told what happens, a few calls
 * a batch; gauges are read when they are asked for. A flow that is gone takes its series with it.
 */
export class DaemonMetrics implements FlowObserver {
  readonly #registry: Registry;
  readonly #of: DaemonInstruments;
  #daemon: DaemonView | undefined;
  /** The flows that have series, and their functions. */
  readonly #known = new Map<string, ReadonlySet<string>>();

  constructor(registry: Registry, build: { readonly version: string }) {
    this.#registry = registry;
    this.#of = makeInstruments(registry);
    this.#of.buildInfo.set({ version: build.version, node: process.version }, 1);
    this.#of.reloadRefused.set(0);
    for (const result of ['done', 'refused']) this.#of.reloads.inc({ result }, 0);
    for (const result of ['sent', 'failed', 'dropped']) this.#of.spans.inc({ result }, 0);
    addGauges(registry, { daemon: () => this.#daemon, beforeScrape: () => this.#forgetGone() });
    collectDefaultMetrics({ register: registry });
  }

  get registry(): Registry {
    return this.#registry;
  }

  /** From now on its flows are shown. */
  watch(daemon: DaemonView): void {
    this.#daemon = daemon;
  }

  batchCommitted(trail: BatchTrail): void {
    const { subject, store, steps, isCommittedAfterAll } = trail;
    const { batch, size } = subject;
    if (!this.#isThere(subject.flow.name)) return;
    if (batch !== undefined && isEmpty(batch)) return;
    const flow = subject.flow.name;
    const labels = { flow };
    this.#of.rowsOut.inc(labels, trail.rowsSaved);
    if (batch === undefined) this.#of.rowsIn.inc(labels, size);
    else {
      this.#of.batches.inc(labels);
      this.#of.changes.inc(labels, size);
      this.#of.bytes.inc(labels, batch.parts.reduce((sum, { bytes }) => sum + bytes, 0)); // prettier-ignore
      this.#of.rowsFiltered.inc(labels, trail.filtered);
      this.#countMarks(trail);
      this.#of.batchChanges.observe(labels, size);
    }
    for (const { op, outcome } of trail.statements) this.#of.tableStatements.inc({ flow, op, outcome });
    if (isCommittedAfterAll) return;
    this.#of.batchSeconds.observe(labels, (trail.endedAt - trail.beganAt) / 1000);
    this.#of.storeSeconds.observe({ flow, phase: 'wait' }, store.waitMs / 1000);
    this.#of.storeSeconds.observe({ flow, phase: 'statements' }, store.statementMs / 1000);
    if (store.commitMs !== undefined) this.#of.storeSeconds.observe({ flow, phase: 'commit' }, store.commitMs / 1000);
    this.#countSteps(flow, steps, store.statements);
  }

  batchFailed({ subject, steps, store }: BatchTrail): void {
    if (this.#isThere(subject.flow.name)) this.#countSteps(subject.flow.name, steps, store.statements);
  }

  flowRetries(flow: string, { code }: CodedError): void {
    if (this.#isThere(flow)) this.#of.retries.inc({ flow, code });
  }

  flowEnded(flow: string, { code }: CodedError): void {
    if (this.#isThere(flow)) this.#of.errors.inc({ flow, code });
  }

  /** A change of the project has taken effect, or is refused; `isNew`: it was not known before. */
  noteReload({ isRefused, isNew }: { readonly isRefused: boolean; readonly isNew: boolean }): void {
    this.#of.reloadRefused.set(isRefused ? 1 : 0);
    if (isNew) this.#of.reloads.inc({ result: isRefused ? 'refused' : 'done' });
  }

  countSpans(result: 'sent' | 'failed' | 'dropped', count: number): void {
    this.#of.spans.inc({ result }, count);
  }

  /** False for a flow that was taken away and is only finishing. */
  #isThere(flow: string): boolean {
    return this.#daemon?.services.some(({ name }) => name === flow) !== false;
  }

  #countMarks({ subject: { flow, batch, size }, filtered }: BatchTrail): void {
    const labels = { flow: flow.name };
    const counts = { dead: 0, skipped: 0, parked: 0 };
    for (const { kind } of batch?.dead ?? []) counts[kind === 'waiting' ? 'parked' : kind] += 1;
    this.#of.rowsDead.inc(labels, counts.dead);
    this.#of.rowsSkipped.inc(labels, counts.skipped);
    this.#of.rowsParked.inc(labels, counts.parked);
    this.#of.rowsIn.inc(labels, size - filtered - (batch?.dead.length ?? 0));
  }

  #countSteps(flow: string, steps: BatchTrail['steps'], statements: number): void {
    this.#of.storeStatements.inc({ flow }, statements);
    for (const { fname, ms, retries } of steps) {
      const labels = { flow, function: fname };
      if (ms !== undefined) this.#of.functionSeconds.observe(labels, ms / 1000);
      if (retries.length > 0) this.#of.functionRetries.inc(labels, retries.length);
    }
  }

  /** Flows that are there have their counters from the beginning on, at 0; what is not there any more has none. */
  async #forgetGone(): Promise<void> {
    const flows = new Map(
      (this.#daemon?.services ?? []).map(({ name, subjects }) => [
        name,
        new Set(subjects.flatMap(({ flow }) => flow.steps.map(({ fname }) => fname))),
      ]),
    );
    let isLess = false;
    for (const [flow, functions] of this.#known) {
      const now = flows.get(flow);
      if (now === undefined || [...functions].some((fname) => !now.has(fname))) isLess = true;
    }
    for (const flow of flows.keys()) if (!this.#known.has(flow)) this.#begin(flow);
    this.#known.clear();
    for (const [flow, functions] of flows) this.#known.set(flow, functions);
    if (isLess) await this.#removeOthers(flows);
  }

  #begin(flow: string): void {
    const { batches, changes, bytes, rowsIn, rowsOut, rowsFiltered, rowsDead, rowsSkipped, rowsParked, storeStatements } = this.#of;
    const counters = [batches, changes, bytes, rowsIn, rowsOut, rowsFiltered, rowsDead, rowsSkipped, rowsParked, storeStatements];
    for (const counter of counters) counter.inc({ flow }, 0);
  }

  async #removeOthers(flows: ReadonlyMap<string, ReadonlySet<string>>): Promise<void> {
    for (const metric of Object.values(this.#of)) {
      const { values } = await metric.get();
      for (const { labels } of values) {
        const { le: _, ...own }: Partial<Record<string, string | number>> = labels;
        if (own['flow'] === undefined) continue;
        const functions = flows.get(String(own['flow']));
        const isGone = functions === undefined || (own['function'] !== undefined && !functions.has(String(own['function'])));
        if (isGone) metric.remove(own);
      }
    }
  }
}
