import type { ErrorCode } from '../lib/error-codes.ts';
import { CodedError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { groupSize, sliceGroup, type ChangeGroup, type TransactionPart } from '../row/change.ts';
import type { TableFilter } from './contract.ts';
import { ARTIFICIAL_FLAG, offsetBehind, type EventHeader } from '../binlog/event-header.ts';
import type { MapPlace } from './table-definitions.ts';
import { maskStatement, mayTouch, readStatement, type Statement } from './statement.ts';

/** Changes of a transaction that were handed on before its end was reached. */
export interface HandedOn {
  readonly gtid: string;
  readonly count: number;
}

export interface AssemblerOptions {
  /** Identity of the server that the events come from. */
  readonly server: string;
  readonly wants: TableFilter;
  /** Takes each part. */
  readonly emit: (part: TransactionPart) => void;
  readonly pieceBytes: number;
  /** What of the first transaction was handed on already, by a connection that was lost in the middle of it. */
  readonly skip: HandedOn;
  readonly logger: Logger;
}

/** How a transaction begins. */
export interface Beginning {
  /** '' for an anonymous one. */
  readonly gtid: string;
  /** Whether the event itself opens a transaction (MariaDB), or a statement that follows says what it is. */
  readonly isOpen: boolean;
  /** MariaDB: the transaction will be prepared by XA, not committed. */
  readonly isXa: boolean;
}

const XA_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Makes transaction parts of events. Pure: events go in, parts come out, and a CodedError is thrown at the first thing that must
 * not be passed; nothing may be handed in after that.
 *
 *           GTID event          BEGIN, XA START, rows
 *   between ──────────> opened ──────────────────────> open
 *      ^                  │ any other statement         │ Xid, COMMIT, ROLLBACK, XA PREPARE
 *      └──────────────────┴─────────────────────────────┘
 *
 * MariaDB's GTID event opens by itself, unless it says that one statement stands alone.
 */
export class TransactionAssembler {
  readonly #options: AssemblerOptions;
  #state: 'between' | 'opened' | 'open' = 'between';
  #file = '';
  #offset = 0;
  #eventStart = 0;
  #transactionStart = 0;
  #gtid = '';
  #isXa = false;
  #groups: ChangeGroup[] = [];
  #bytes = 0;
  /** Changes handed on of the transaction that is open, those before this connection included. */
  #handedOn = 0;
  #skip: HandedOn | undefined;
  #skipCount = 0;
  /** Savepoint to the number of groups gathered, and of parts emitted, when it was set. */
  readonly #savepoints = new Map<string, { readonly groups: number; readonly parts: number }>();
  #parts = 0;

  constructor(options: AssemblerOptions) {
    this.#options = options;
    this.#skip = options.skip.count > 0 ? options.skip : undefined;
  }

  get file(): string {
    return this.#file;
  }

  get offset(): number {
    return this.#offset;
  }

  get isBetween(): boolean {
    return this.#state === 'between';
  }

  /** What of the open transaction was handed on: what `skip` must be if the connection is lost now. */
  get handedOn(): HandedOn {
    if (this.#skip !== undefined) return this.#skip;
    return { gtid: this.#gtid, count: this.#state === 'between' ? 0 : this.#handedOn };
  }

  /** Where the event that is being read begins. */
  get eventStart(): number {
    return this.#eventStart;
  }

  /** Where the event that is being read begins, and its transaction. */
  get mapPlace(): MapPlace {
    return { file: this.#file, offset: this.#eventStart, transaction: { file: this.#file, offset: this.#transactionStart } };
  }

  /** The same, for messages. */
  get place(): string {
    return `${this.#file}:${this.#eventStart}`;
  }

  /**
   * Moves the offset behind an event: every event of the file must pass here, in order, before it is handed to another method.
   * The server gives 32 bits of the offset, and none inside MariaDB's transactions; the rest follows from the events' sizes.
   */
  advance(header: EventHeader): void {
    if ((header.flags & ARTIFICIAL_FLAG) !== 0) return;
    this.#eventStart = this.#offset;
    this.#offset = offsetBehind(this.#offset, header);
  }

  /** The stream goes on in a file: at its start, or where the dump begins. */
  rotate(header: EventHeader, file: string, offset: number): void {
    // The server died while it wrote: its recovery rolled the transaction back, and only this says so.
    if (this.#state !== 'between' && file !== this.#file) this.#abandon();
    this.#file = file;
    this.#offset = this.#eventStart = offset;
    if ((header.flags & ARTIFICIAL_FLAG) !== 0) return;
    this.moveTo(header, file, offset);
  }

  /** Nothing of ours lies before this place. */
  moveTo(header: EventHeader, file: string, offset: number): void {
    if (this.#state !== 'between') return;
    this.#file = file;
    this.#offset = offset;
    this.#bytes = header.size;
    this.#emit(header.time, true);
    this.#reset();
  }

  begin(header: EventHeader, { gtid, isOpen, isXa }: Beginning): void {
    if (this.#state === 'open') throw this.#error('SOURCE_UNDECODABLE', 'a transaction begins inside another one');
    this.#reset();
    this.#state = isOpen ? 'open' : 'opened';
    this.#transactionStart = this.#eventStart;
    this.#gtid = gtid;
    this.#isXa = isXa;
    this.#bytes = header.size;
    if (this.#skip === undefined) return;
    if (this.#skip.gtid !== gtid) {
      throw new CodedError(
        'SOURCE_WRONG_SERVER',
        `the transaction ${this.#skip.gtid} was read in part, and the server goes on with ${gtid || 'an anonymous one'} at ${this.place}`,
      );
    }
    this.#skipCount = this.#handedOn = this.#skip.count;
    this.#skip = undefined;
  }

  rows(header: EventHeader, group: ChangeGroup): void {
    this.#state = 'open';
    const size = groupSize(group);
    let kept: ChangeGroup | undefined = group;
    if (this.#skipCount > 0) {
      const skipped = Math.min(size, this.#skipCount);
      this.#skipCount -= skipped;
      kept = skipped === size ? undefined : sliceGroup(group, skipped, size);
    }
    if (kept === undefined) return;
    this.#groups.push(kept);
    this.#bytes += header.size;
    if (this.#bytes < this.#options.pieceBytes) return;
    // An XA transaction's end says whether it is a commit: nothing of it may be handed on before.
    if (!this.#isXa) this.#emit(header.time, false);
    else if (this.#bytes > XA_BYTES_MAX) throw this.#xaError();
  }

  commit(header: EventHeader): void {
    this.#finish(header);
  }

  /** The end of an XA transaction's first phase: with `isOnePhase` it is its commit. */
  xaPrepare(header: EventHeader, isOnePhase: boolean): void {
    if (!isOnePhase && (this.#groups.length > 0 || this.#handedOn > 0)) throw this.#xaError();
    this.#finish(header);
  }

  query(header: EventHeader, schema: string, text: string): void {
    const statement = readStatement(text);
    switch (statement.kind) {
      case 'begin':
      case 'xa-start':
        if (this.#state === 'between') this.begin(header, { gtid: '', isOpen: true, isXa: false });
        this.#state = 'open';
        this.#isXa ||= statement.kind === 'xa-start';
        return;
      case 'commit':
        return this.#finish(header);
      case 'rollback':
        return this.#rollBack(header);
      case 'savepoint':
        this.#savepoints.set(statement.subject, { groups: this.#groups.length, parts: this.#parts });
        return;
      case 'rollback-to':
        return this.#rollBackTo(statement.subject);
      case 'xa-end':
        return;
      case 'change':
        if (mayTouch(text, schema, this.#options.wants)) throw this.#statementError(text);
        break;
      case 'definition':
        if (mayTouch(text, schema, this.#options.wants)) this.#noteDefinition(statement, schema, text);
        break;
      case 'xa-commit':
      case 'xa-rollback':
      case 'other':
        break;
      default:
        statement.kind satisfies never;
    }
    if (this.#state !== 'open') this.#finish(header);
  }

  #noteDefinition({ verb }: Statement, schema: string, text: string): void {
    const fields = { schema, statement: maskStatement(text), position: this.place, gtid: this.#gtid };
    // Rows that go with the table go without a change.
    if (verb === 'TRUNCATE' || verb === 'DROP') this.#options.logger.warn(fields, 'wanted table emptied or dropped at the source');
    else this.#options.logger.info(fields, 'wanted table defined anew at the source');
  }

  /** Changes of transactional tables in a group that ends so never happened; those of others are in groups of their own. */
  #rollBack(header: EventHeader): void {
    if (this.#handedOn > 0) throw this.#rollBackError();
    this.#groups = [];
    this.#finish(header);
  }

  #abandon(): void {
    if (this.#handedOn > 0) throw this.#rollBackError();
    this.#options.logger.warn(
      { position: this.place, gtid: this.#gtid },
      'binlog file ends inside a transaction, which is left out',
    );
    this.#reset();
  }

  #rollBackTo(savepoint: string): void {
    if (this.#groups.length === 0 && this.#handedOn === 0) return;
    const mark = this.#savepoints.get(savepoint);
    if (mark === undefined || mark.parts !== this.#parts) throw this.#rollBackError();
    this.#groups.length = mark.groups;
  }

  #finish(header: EventHeader): void {
    if (this.#skipCount > 0) {
      throw this.#error('SOURCE_WRONG_SERVER', `the transaction ${this.#gtid} has fewer changes than when it was first read`);
    }
    this.#bytes += header.size;
    this.#emit(header.time, true);
    this.#reset();
  }

  #emit(time: number, isFinal: boolean): void {
    for (const group of this.#groups) this.#handedOn += groupSize(group);
    const place = { server: this.#options.server, file: this.#file, offset: this.#offset, gtid: this.#gtid };
    const part = { ...place, groups: this.#groups, time, bytes: this.#bytes, isFinal };
    this.#groups = [];
    this.#bytes = 0;
    this.#parts += 1;
    if (isFinal) this.#state = 'between';
    this.#options.emit(part);
  }

  #reset(): void {
    this.#state = 'between';
    this.#gtid = '';
    this.#isXa = false;
    this.#groups = [];
    this.#bytes = this.#handedOn = this.#parts = 0;
    if (this.#savepoints.size > 0) this.#savepoints.clear();
  }

  #statementError(text: string): CodedError {
    return this.#error(
      'SOURCE_STATEMENT_FORMAT',
      `a change is in the binlog as a statement, not as rows (${maskStatement(text)}): SET GLOBAL binlog_format = ROW, reconnect the writers`,
    );
  }

  #rollBackError(): CodedError {
    return this.#error(
      'SOURCE_UNDECODABLE',
      'a transaction too large to be held was rolled back after a part of it had been handed on: give the flow a new start after it',
    );
  }

  #xaError(): CodedError {
    return this.#error(
      'SOURCE_UNDECODABLE',
      'a wanted table is changed by an XA transaction in two phases, which cannot be read: use XA COMMIT … ONE PHASE or plain transactions',
    );
  }

  #error(code: ErrorCode, message: string): CodedError {
    return new CodedError(code, `${message} (at ${this.place})`, { details: { position: this.place, gtid: this.#gtid } });
  }
}
