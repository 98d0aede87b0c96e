import { sleep } from '../lib/abort.ts';
import { steadyNow } from '../lib/clock.ts';
import { CodedError, describeError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { comparePositions, type Position } from '../row/position.ts';
import type { Source, SourceProbe } from '../source/contract.ts';
import { fileBehind, type BinlogShelf } from './binlog-distance.ts';
import { addProbe, type Probe } from './freshness.ts';

export interface SourceWatchOptions {
  readonly source: Source;
  readonly logger: Logger;
  /** Between two looks. */
  readonly everyMs: number;
  /** How old the list of its files may be. */
  readonly shelfMs: number;
}

/** What the last looks at a source found. Times are steadyNow(), unless said otherwise. */
export interface SourceView {
  /** Oldest first. */
  readonly probes: readonly Probe[];
  /** The last look that had an answer; `time` is the server's clock at `at`, or a moment later. */
  readonly latest: (Probe & { readonly time: number }) | undefined;
  /** Why there is no answer now, and since when. */
  readonly failure: { readonly error: CodedError; readonly since: number } | undefined;
  readonly shelf: BinlogShelf | undefined;
}

/** Looks at one source all the time, one question after another. */
export class SourceWatch {
  readonly #options: SourceWatchOptions;
  readonly #probe: SourceProbe;
  readonly #closing = new AbortController();
  readonly #ended: Promise<void>;
  #view: SourceView = { probes: [], latest: undefined, failure: undefined, shelf: undefined };
  #shelfAt = Number.NEGATIVE_INFINITY;
  /** Places that somebody wants to know the headroom of. */
  #wanted: readonly Position[] = [];
  readonly #begun = new Map<string, number>();
  /** Asks when files were begun, on connections of its own: looks do not wait for it. */
  #asking: Promise<void> | undefined;
  #isShelfUnknown = false;

  constructor(options: SourceWatchOptions) {
    this.#options = options;
    this.#probe = options.source.openProbe();
    this.#ended = this.#run();
  }

  get view(): SourceView {
    return this.#view;
  }

  /** The places whose headroom is to be known from now on. */
  want(places: readonly Position[]): void {
    this.#wanted = places;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#ended;
    await this.#asking;
    this.#probe.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const at = steadyNow();
      try {
        await this.#look(at, signal);
        await this.#keepShelf(signal).catch((error: unknown) => this.#noteShelf(error));
        this.#asking ??= this.#askBegun(signal)
          .catch((error: unknown) => this.#noteShelf(error))
          .finally(() => (this.#asking = undefined));
      } catch (error) {
        if (!signal.aborted) this.#fail(error, at);
      }
      await sleep(Math.max(0, at + this.#options.everyMs - steadyNow()), signal);
    }
  }

  async #look(at: number, signal: AbortSignal): Promise<void> {
    const { head, time } = await this.#probe.look(signal);
    const { probes, failure, latest } = this.#view;
    if (failure !== undefined) this.#options.logger.info({ source: this.#options.source.name }, 'source answers again');
    if (latest !== undefined && latest.head.server !== head.server) this.#begun.clear();
    const next = addProbe(probes, { at, head });
    this.#view = { ...this.#view, probes: next, failure: undefined, latest: { at, head, time } };
  }

  /** The files, now and then and when there is another one. */
  async #keepShelf(signal: AbortSignal): Promise<void> {
    const head = this.#view.latest?.head;
    if (head === undefined) return;
    const { shelf } = this.#view;
    const isKnown = shelf?.server === head.server && shelf.files.at(-1)?.name === head.file;
    if (!isKnown || steadyNow() - this.#shelfAt > this.#options.shelfMs) {
      const kept = await this.#probe.listBinlogs(signal);
      this.#shelfAt = steadyNow();
      const names = new Set(kept.files.map(({ name }) => name));
      for (const name of this.#begun.keys()) if (!names.has(name)) this.#begun.delete(name);
      this.#view = { ...this.#view, shelf: { ...kept, server: head.server, begun: this.#begun } };
      this.#isShelfUnknown = false;
    }
  }

  /** That the files are not known says nothing about freshness: the source may answer all other questions. */
  #noteShelf(error: unknown): void {
    if (this.#isShelfUnknown || this.#closing.signal.aborted) return;
    this.#isShelfUnknown = true;
    const fields = { source: this.#options.source.name, error: describeError(error) };
    this.#options.logger.warn(
      fields,
      'the binlogs of the source cannot be looked at, the time until a purge may not be known meanwhile',
    );
  }

  /** When the files that matter were finished. */
  async #askBegun(signal: AbortSignal): Promise<void> {
    const { shelf } = this.#view;
    if (shelf?.expireMs === undefined) return;
    const places = this.#wanted.filter(({ server }) => server === shelf.server).toSorted(comparePositions);
    for (const place of places) {
      const next = fileBehind(place, shelf.files);
      if (next === undefined || this.#begun.has(next)) continue;
      const begun = await this.#probe.begunAt(next, signal);
      // another server's file may bear the same name
      if (this.#view.latest?.head.server !== shelf.server) return;
      if (begun !== undefined) this.#begun.set(next, begun);
    }
  }

  #fail(failure: unknown, at: number): void {
    const error = failure instanceof CodedError ? failure : new CodedError('INTERNAL', describeError(failure), { cause: failure });
    const before = this.#view.failure;
    if (before === undefined) {
      const fields = { source: this.#options.source.name, error: describeError(error) };
      this.#options.logger.warn(fields, 'source does not answer, freshness is not proven meanwhile');
    }
    this.#view = { ...this.#view, failure: { error, since: before?.since ?? at } };
  }
}
