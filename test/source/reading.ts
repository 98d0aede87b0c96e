import { setTimeout as delay } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { CodedError } from '../../src/lib/error.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import type { ChangeGroup, Row, TransactionPart } from '../../src/row/change.ts';
import { MovingPosition, type Position } from '../../src/row/position.ts';
import { createBinlogSource, type BinlogSourceOptions } from '../../src/source/binlog-source.ts';
import type { ColumnFilter, ReaderState, Source, TableFilter } from '../../src/source/contract.ts';
import { onEnd } from '../support/cleanup.ts';
import { waitFor } from '../support/wait-for.ts';

/** A source of the test's own; closed at its end. */
export function openSource(url: string, options: Partial<BinlogSourceOptions> = {}): Source {
  const source = createBinlogSource({
    name: 'test',
    url,
    serverId: 0,
    logger: silentLogger,
    heartbeatMs: 100,
    silenceMs: 2000,
    ...options,
  });
  onEnd(() => source.close());
  return source;
}

export const never = new AbortController().signal;

/** One row's change, flat: what tests compare. */
export interface FlatChange {
  readonly op: string;
  readonly table: string;
  readonly before: Row | undefined;
  readonly after: Row | undefined;
}

export function flatten(groups: readonly ChangeGroup[]): FlatChange[] {
  return groups.flatMap((group) => {
    const before = group.op === 'insert' ? [] : group.before;
    const after = group.op === 'delete' ? [] : group.after;
    const size = Math.max(before.length, after.length);
    return Array.from({ length: size }, (_, i) => ({ op: group.op, table: group.table.name, before: before[i], after: after[i] }));
  });
}

export interface ReadingOptions {
  readonly from: Position;
  readonly wants: TableFilter;
  readonly columns?: ColumnFilter;
  /** Called with each part; what it returns is what the sink returns. */
  readonly onPart?: (part: TransactionPart) => Promise<void> | undefined;
}

/** A read that runs beside the test and keeps what it was given. */
export class Reading {
  readonly parts: TransactionPart[] = [];
  readonly states: ReaderState[] = [];
  /** Positions behind every final part, in order. */
  readonly positions: Position[] = [];
  readonly done: Promise<void>;
  readonly #stop = new AbortController();
  error: unknown;
  #isDone = false;

  constructor(source: Source, { from, wants, columns, onPart }: ReadingOptions) {
    const place = new MovingPosition(from, { hasGtid: from.gtid !== '' });
    this.done = source
      .read({
        from,
        wants,
        ...(columns === undefined ? {} : { columns }),
        signal: this.#stop.signal,
        onState: (state) => this.states.push(state),
        sink: {
          push: (part) => {
            this.parts.push(part);
            if (part.isFinal) {
              place.advance(part);
              this.positions.push(place.toPosition());
            }
            return onPart?.(part);
          },
        },
      })
      .catch((error: unknown) => void (this.error = error))
      .finally(() => (this.#isDone = true));
    onEnd(() => this.stop());
  }

  get changes(): FlatChange[] {
    return this.parts.flatMap((part) => flatten(part.groups));
  }

  /** The values of a column in the rows after each change, in order. */
  ids(column = 'id'): unknown[] {
    return this.changes.map((change) => (change.after ?? change.before)?.[column]);
  }

  async until(what: string, condition: (reading: this) => boolean, deadlineMs = 30_000): Promise<void> {
    await waitFor(
      () => {
        if (condition(this)) return true;
        if (this.#isDone) throw new Error(`the read ended: ${String(this.error)}`);
        return false;
      },
      { what, deadlineMs },
    );
  }

  async untilIds(...ids: readonly unknown[]): Promise<void> {
    await this.until(`ids ${ids.join(', ')}`, () => ids.every((id) => this.ids().includes(id)));
  }

  /** Waits for the read to reject, and gives its error. */
  async failure(deadlineMs = 30_000): Promise<CodedError> {
    await Promise.race([this.done, delay(deadlineMs)]);
    if (!this.#isDone) throw new Error(`the read did not end within ${deadlineMs} ms`);
    if (this.error instanceof CodedError) return this.error;
    throw new Error('the read ended without a coded error', { cause: this.error });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.done;
  }
}

/** Purges, which MariaDB puts off while a file may still be needed for recovery. */
export async function purgeTo(connection: Connection, source: Source, file: string): Promise<void> {
  await waitFor(async () => {
    await connection.query(`PURGE BINARY LOGS TO '${file}'`);
    return (await source.resolve({ kind: 'earliest' }, never)).file === file;
  });
}

export const inSchema =
  (schema: string): TableFilter =>
  (name) =>
    name === schema;

export async function rejection(promise: Promise<unknown>): Promise<CodedError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof CodedError) return error;
  throw new Error('no coded error', { cause: error });
}
