/**
 * Keyed state: values that a function keeps from batch to batch, such as running totals and what it has seen.
 *
 * A function reads and changes its state through `flow.state`. Changes are collected, first those of one try of the function, then,
 * when it has ended well, those of its batch; they are written in the batch's own transaction and hold when it commits (L1). So
 * a failed try leaves nothing, a failed batch leaves nothing, and a batch that is done again begins from the same state.
 */
import { CodedError } from '../lib/error.ts';
import { fromExactJson, toExactJson } from '../row/exact-json.ts';
import { noEntry, type StateEntry } from './state-entry.ts';
import { PrefixSet, readOver, type StateRange } from './state-range.ts';

/** The state of one function of one flow, as the function sees it. */
export interface FlowState {
  /** The value of a key; undefined where there is none, or it has expired. Each call gives a copy. Calls made together are one question to the store. */
  get(key: string): Promise<unknown>;
  /** The values of many keys; those that have none are absent. One question to the store for up to 500 keys. */
  getMany(keys: readonly string[]): Promise<ReadonlyMap<string, unknown>>;
  /**
   * All entries whose key begins with a prefix, by prefix and key; every prefix is in the answer, and keys stand in the order of their bytes.
   * One question to the store for up to 500 prefixes: ask for all that a batch needs in one call. Rejects with STATE_TOO_LARGE (class
   * row: the daemon halves the batch) when they are more than `entriesMax` in all.
   */
  getGroups(prefixes: readonly string[], entriesMax: number): Promise<ReadonlyMap<string, ReadonlyMap<string, unknown>>>;
  /** The first `count` entries, in the order of their keys' bytes, whose key begins with the prefix. */
  getFirst(prefix: string, count: number): Promise<ReadonlyMap<string, unknown>>;
  /**
   * Keeps a value: whatever JSON holds, and bytes, bigints and dates too. It expires after `ttlMs` milliseconds; never when that is absent.
   * A key is at most 1,024 bytes long in UTF-8. Throws TypeError for a key or a value that cannot be kept.
   */
  set(key: string, value: unknown, ttlMs?: number): void;
  delete(key: string): void;
}

/** The state of all functions of a flow in one batch: made by whoever runs the batch, and kept when that commits. */
export interface BatchState {
  /** A value may have so many characters as exact JSON. */
  readonly valueCharsMax: number;
  /** What is known of a key without asking the store; undefined: nothing. */
  peek(fname: string, key: string): StateEntry | undefined;
  /** Asks the store; every key is in the answer. */
  read(fname: string, keys: readonly string[]): Promise<ReadonlyMap<string, StateEntry>>;
  /** What is in a range of keys. Asks the store each time: what is known of single keys does not tell which others there are. */
  readRange(fname: string, range: StateRange): Promise<ReadonlyMap<string, StateEntry>>;
  /** A function has ended well: its changes hold for the rest of the batch. */
  write(fname: string, changes: ReadonlyMap<string, StateEntry>): void;
}

const keyBytesMax = 1024;

/** The state as one try of a function sees it. */
export class StepState implements FlowState {
  readonly #batch: BatchState;
  readonly #fname: string;
  readonly #changes = new Map<string, StateEntry>();
  #wanted = new Set<string>();
  #asking: Promise<ReadonlyMap<string, StateEntry>> | undefined;
  #isClosed = false;

  constructor(batch: BatchState, fname: string) {
    this.#batch = batch;
    this.#fname = fname;
  }

  get(key: string): Promise<unknown> {
    const value = this.#find(key).then(valueOf);
    value.catch(() => {}); // a function need not look at what it asked for; the batch ends with the store's error all the same
    return value;
  }

  getMany(keys: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
    const values = this.#findMany(keys);
    values.catch(() => {}); // as above
    return values;
  }

  async getGroups(prefixes: readonly string[], entriesMax: number): Promise<ReadonlyMap<string, ReadonlyMap<string, unknown>>> {
    const groups = new Map(prefixes.map((prefix) => [prefix, new Map<string, unknown>()]));
    const entries = await this.#readRange(prefixes, entriesMax + 1);
    if (entries.size > entriesMax) throw this.#tooLargeError(entriesMax);
    const within = new PrefixSet(prefixes);
    for (const [key, entry] of entries) {
      for (const prefix of within.of(key)) groups.get(prefix)?.set(key, fromExactJson(entry.text ?? 'null'));
    }
    return groups;
  }

  async getFirst(prefix: string, count: number): Promise<ReadonlyMap<string, unknown>> {
    const entries = await this.#readRange([prefix], count);
    return new Map([...entries].map(([key, entry]) => [key, fromExactJson(entry.text ?? 'null')]));
  }

  set(key: string, value: unknown, ttlMs?: number): void {
    this.#require(key);
    if (value === undefined) throw new TypeError(`The state of "${key}" cannot be undefined; delete it instead.`);
    if (ttlMs !== undefined && !(ttlMs > 0)) throw new TypeError(`The state of "${key}" cannot live for ${ttlMs} ms.`);
    const text = toExactJson(value);
    if (text.length > this.#batch.valueCharsMax) {
      throw new TypeError(`The state of "${key}" is too large: ${text.length} characters of ${this.#batch.valueCharsMax}.`);
    }
    this.#changes.set(key, { text, expiresAt: ttlMs === undefined ? Number.POSITIVE_INFINITY : Math.ceil(Date.now() + ttlMs) });
  }

  delete(key: string): void {
    this.#require(key);
    this.#changes.set(key, noEntry);
  }

  /** The function has ended well. */
  keep(): void {
    if (this.#changes.size > 0) this.#batch.write(this.#fname, this.#changes);
  }

  /** The try is over: from here on the function sees and changes nothing. */
  close(): void {
    this.#isClosed = true;
  }

  async #find(key: string): Promise<StateEntry> {
    this.#require(key);
    const known = this.#changes.get(key) ?? this.#batch.peek(this.#fname, key);
    if (known !== undefined) return known;
    this.#wanted.add(key);
    this.#asking ??= this.#ask();
    return (await this.#asking).get(key) ?? noEntry;
  }

  async #findMany(keys: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
    const entries = new Map<string, StateEntry | undefined>();
    for (const key of keys) {
      if (entries.has(key)) continue;
      this.#require(key);
      entries.set(key, this.#changes.get(key) ?? this.#batch.peek(this.#fname, key));
    }
    const unknown = [...entries.keys()].filter((key) => entries.get(key) === undefined);
    const read = unknown.length === 0 ? undefined : await this.#batch.read(this.#fname, unknown);
    const values = new Map<string, unknown>();
    for (const [key, entry] of entries) {
      const value = valueOf(entry ?? read?.get(key) ?? noEntry);
      if (value !== undefined) values.set(key, value);
    }
    return values;
  }

  async #readRange(prefixes: readonly string[], limit: number): Promise<ReadonlyMap<string, StateEntry>> {
    for (const prefix of prefixes) this.#require(prefix);
    if (!(limit >= 0)) throw new TypeError(`So many entries of the state cannot be read: ${limit}.`);
    if (prefixes.length === 0 || limit === 0) return new Map();
    const range = { prefixes, limit, now: Date.now() };
    return readOver(range, this.#changes, (more) => this.#batch.readRange(this.#fname, more));
  }

  /** Asks for all keys that are wanted by the time that the function waits. */
  async #ask(): Promise<ReadonlyMap<string, StateEntry>> {
    await Promise.resolve();
    const keys = [...this.#wanted];
    this.#wanted = new Set();
    this.#asking = undefined;
    if (this.#isClosed) throw this.#lateError();
    return this.#batch.read(this.#fname, keys);
  }

  #require(key: string): void {
    if (this.#isClosed) throw this.#lateError();
    if (typeof key !== 'string') throw new TypeError(`A key of the state is a text, not ${String(key)}.`);
    if (key.length * 3 > keyBytesMax && Buffer.byteLength(key) > keyBytesMax) {
      throw new TypeError(
        `A key of the state has at most ${keyBytesMax} bytes, and "${key.slice(0, 40)}…" has ${Buffer.byteLength(key)}.`,
      );
    }
    if (/\p{Surrogate}/u.test(key)) throw new TypeError('A key of the state holds half a surrogate pair, which is no character.');
  }

  #tooLargeError(entriesMax: number): CodedError {
    const message = `Function ${this.#fname} asked its state for groups that have more than ${entriesMax} entries in all.`;
    return new CodedError('STATE_TOO_LARGE', message, { class: 'row', details: { function: this.#fname, entriesMax } });
  }

  #lateError(): Error {
    return new Error(`Function ${this.#fname} used its state after it had ended; await what it starts.`);
  }
}

function valueOf(entry: StateEntry): unknown {
  return entry.text === undefined || entry.expiresAt <= Date.now() ? undefined : fromExactJson(entry.text);
}
