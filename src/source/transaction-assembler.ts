import type { ErrorCode } from '../lib/error-codes.ts';
import { CodedError } from '../lib/error.ts';
import type { Logger } from '../lib/logger.ts';
import { groupSize, sliceGroup, type ChangeGroup, type TableStatement, type TransactionPart } from '../row/change.ts';
import { markOf, whyOther, type TransactionMark } from '../row/transaction-mark.ts';
import type { TableFilter } from './contract.ts';
import { ARTIFICIAL_FLAG, type EventHeader } from '../binlog/event-header.ts';
import { PlaceTracker } from './place-tracker.ts';
import { maskStatement, mayTouch, readStatement } from './statement.ts';
import { readTableStatements } from './table-statement.ts';
import type { Beginning } from './beginning.ts';
import { loggedAsStatement, refusals } from './transaction-refusal.ts';

/** Changes of a transaction that were handed on before its end was reached. */
export interface HandedOn {
  readonly gtid: string;
  readonly count: number;
  /** Which transaction it is; absent where nothing was handed on. */
  readonly of?: TransactionMark | undefined;
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

/**
 * Makes transaction parts of events. Pure: events go in, parts come out, and a CodedError is thrown at the first thing that must
 * not be passed; nothing may be handed in after that.
 *
 *           GTID event          BEGIN, XA START, rows
 *   between ──────────> opened ──────────────────────> open
 *      ^                  │ any other statement         │ Xid, COMMIT, ROLLBACK, XA PREPARE
 *      └──────────────────┴─────────────────────────────┘
 *
 * MariaDB's GTID event opens by itself, unless it says that one statement stands alone. The changes of an XA transaction do not come where
 * it is prepared, whose group is an empty transaction, but where it is committed, in front of that group's end.
 */
export class TransactionAssembler {
  readonly #options: AssemblerOptions;
  #state: 'between' | 'opened' | 'open' = 'between';
  readonly #place = new PlaceTracker();
  #gtid = '';
  /** The time of the transaction's first event. */
  #begun = 0;
  #groups: ChangeGroup[] = [];
  /** What happened to whole tables before these changes. */
  #statements: TableStatement[] = [];
  #bytes = 0;
  /** Changes handed on of the transaction that is open, those before this connection included. */
  #handedOn = 0;
  #of: TransactionMark | undefined;
  #skip: HandedOn | undefined;
  #skipCount = 0;
  /** Savepoint to the number of groups gathered, and of parts emitted, when it was set. */
  readonly #savepoints = new Map<string, { readonly groups: number; readonly parts: number }>();
  #parts = 0;
  #hasPassedChange = false;

  constructor(options: AssemblerOptions) {
    this.#options = options;
    this.#skip = options.skip.count > 0 ? options.skip : undefined;
  }

  get isBetween(): boolean {
    return this.#state === 'between';
  }

  /** What of the open transaction was handed on: what `skip` must be if the connection is lost now. */
  get handedOn(): HandedOn {
    if (this.#skip !== undefined) return this.#skip;
    return { gtid: this.#gtid, count: this.#state === 'between' ? 0 : this.#handedOn, of: this.#of };
  }

  /** Where the events stand. */
  get place(): Omit<PlaceTracker, 'advance' | 'moveTo' | 'rotate' | 'beginTransaction'> {
    return this.#place;
  }

  /** Moves behind an event: every event of the file must pass here, in order, before it is handed to another method. */
  advance(header: EventHeader): void {
    this.#place.advance(header);
  }

  /** The stream goes on in a file: at its start, or where the dump begins. */
  rotate(header: EventHeader, file: string, offset: number): void {
    // The server died while it wrote: its recovery rolled the transaction back, and only this says so.
    if (this.#state !== 'between' && file !== this.#place.file) this.#abandon();
    this.#place.rotate({ file, offset });
    if ((header.flags & ARTIFICIAL_FLAG) !== 0) return;
    this.moveTo(header, file, offset);
  }

  /** Nothing of ours lies before this place. */
  moveTo(header: EventHeader, file: string, offset: number): void {
    if (this.#state !== 'between') return;
    this.#place.moveTo({ file, offset });
    this.#bytes = header.size;
    this.#emit(header.time, true);
    this.#reset();
  }

  begin(header: EventHeader, { gtid, isOpen }: Beginning): void {
    if (this.#state === 'open') throw this.#error('SOURCE_UNDECODABLE', 'a transaction begins inside another one');
    this.#reset();
    this.#state = isOpen ? 'open' : 'opened';
    this.#place.beginTransaction();
    this.#gtid = gtid;
    this.#begun = header.time;
    this.#bytes = header.size;
    if (this.#skip !== undefined) this.#beginAgain(this.#skip);
  }

  /** What begins must be what a lost connection was in the middle of. */
  #beginAgain({ gtid, count, of }: HandedOn): void {
    if (gtid !== this.#gtid) {
      throw new CodedError(
        'SOURCE_WRONG_SERVER',
        `the transaction ${gtid} was read in part, and the server goes on with ${this.#gtid || 'an anonymous one'} at ${this.#place.text}`,
      );
    }
    this.#skipCount = this.#handedOn = count;
    this.#of = of;
    this.#skip = undefined;
    this.#requireSame([]);
  }

  #requireSame(groups: readonly ChangeGroup[]): void {
    const why = this.#of === undefined ? undefined : whyOther(this.#of, this.#markOf(groups));
    if (why !== undefined)
      throw this.#error('SOURCE_WRONG_SERVER', `another transaction stands where one was read in part: ${why}`);
  }

  #markOf(groups: readonly ChangeGroup[]): TransactionMark {
    return markOf({ gtid: this.#gtid, server: this.#options.server, begun: this.#begun }, groups);
  }

  rows(header: EventHeader, group: ChangeGroup): void {
    this.#state = 'open';
    const size = groupSize(group);
    let kept: ChangeGroup | undefined = group;
    if (this.#skipCount > 0) {
      if (this.#skipCount === this.#handedOn) this.#requireSame([group]);
      const skipped = Math.min(size, this.#skipCount);
      this.#skipCount -= skipped;
      kept = skipped === size ? undefined : sliceGroup(group, skipped, size);
    }
    if (kept === undefined) return;
    this.#groups.push(kept);
    this.#bytes += header.size;
    if (this.#bytes >= this.#options.pieceBytes) this.#emit(header.time, false);
  }

  commit(header: EventHeader): void {
    this.#finish(header);
  }

  /** Changes follow, whatever the transaction begins with. */
  open(header: EventHeader): void {
    if (this.#state === 'between') this.begin(header, { gtid: '', isOpen: true });
    this.#state = 'open';
  }

  query(header: EventHeader, schema: string, text: string): void {
    const statement = readStatement(text);
    switch (statement.kind) {
      case 'begin':
      case 'xa-start':
        return this.open(header);
      case 'commit':
      case 'xa-commit':
        return this.#finish(header);
      case 'rollback':
      case 'xa-rollback':
        return this.#rollBack(header);
      case 'savepoint':
        this.#savepoints.set(statement.subject, { groups: this.#groups.length, parts: this.#parts });
        return;
      case 'rollback-to':
        return this.#rollBackTo(statement.subject);
      case 'xa-end':
        return;
      case 'change':
        if (mayTouch(text, schema, this.#options.wants)) throw this.#error('SOURCE_STATEMENT_FORMAT', loggedAsStatement(text));
        this.#notePassed(schema, text);
        break;
      case 'definition':
        this.#define(schema, text);
        break;
      case 'other':
        break;
      default:
        statement.kind satisfies never;
    }
    if (this.#state !== 'open') this.#finish(header);
  }

  /** Whether a flow wants the tables is asked downstream: patterns may take in tables that nobody has listed. */
  #define(schema: string, text: string): void {
    const statements = readTableStatements(text, schema, this.#place.text);
    if (statements.length === 0 && mayTouch(text, schema, this.#options.wants)) {
      const fields = { schema, statement: maskStatement(text), position: this.#place.text, gtid: this.#gtid };
      this.#options.logger.info(fields, 'wanted table defined anew at the source');
    }
    // What comes again behind changes that were handed on was handed on with them.
    if (statements.length === 0 || this.#skipCount > 0) return;
    const isBehindChanges = this.#groups.length > 0 || this.#handedOn > 0;
    if (isBehindChanges) throw this.#error('SOURCE_UNDECODABLE', `changes are followed by a statement: ${maskStatement(text)}`);
    this.#statements.push(...statements);
  }

  /** Said once: what a view, a trigger or a function of such a statement changes is not seen. */
  #notePassed(schema: string, text: string): void {
    if (this.#hasPassedChange) return;
    this.#hasPassedChange = true;
    const fields = { schema, statement: maskStatement(text), position: this.place };
    this.#options.logger.warn(
      fields,
      'changes of other tables are in the binlog as statements: set binlog_format = ROW for their writers',
    );
  }

  /** Changes of transactional tables in a group that ends so never happened; those of others are in groups of their own. */
  #rollBack(header: EventHeader): void {
    if (this.#handedOn > 0) throw this.#error('SOURCE_UNDECODABLE', refusals.rolledBack);
    this.#groups = [];
    this.#finish(header);
  }

  #abandon(): void {
    if (this.#handedOn > 0) throw this.#error('SOURCE_UNDECODABLE', refusals.rolledBack);
    this.#options.logger.warn(
      { position: this.#place.text, gtid: this.#gtid },
      'binlog file ends inside a transaction, which is left out',
    );
    this.#reset();
  }

  #rollBackTo(savepoint: string): void {
    if (this.#groups.length === 0 && this.#handedOn === 0) return;
    const mark = this.#savepoints.get(savepoint);
    if (mark === undefined || mark.parts !== this.#parts) throw this.#error('SOURCE_UNDECODABLE', refusals.rolledBack);
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
    if (this.#handedOn === 0 && !isFinal) this.#of = this.#markOf(this.#groups);
    for (const group of this.#groups) this.#handedOn += groupSize(group);
    const { file, offset } = this.#place;
    const place = { server: this.#options.server, file, offset, gtid: this.#gtid };
    const part = { ...place, groups: this.#groups, time, begun: this.#begun, bytes: this.#bytes, isFinal };
    const statements = this.#statements;
    this.#groups = [];
    this.#statements = [];
    this.#bytes = 0;
    this.#parts += 1;
    if (isFinal) this.#state = 'between';
    this.#options.emit(statements.length === 0 ? part : { ...part, statements });
  }

  #reset(): void {
    this.#state = 'between';
    this.#gtid = '';
    this.#of = undefined;
    this.#groups = [];
    this.#statements = [];
    this.#begun = this.#bytes = this.#handedOn = this.#parts = 0;
    if (this.#savepoints.size > 0) this.#savepoints.clear();
  }

  #error(code: ErrorCode, message: string): CodedError {
    return new CodedError(code, `${message} (at ${this.#place.text})`, {
      details: { position: this.#place.text, gtid: this.#gtid },
    });
  }
}
