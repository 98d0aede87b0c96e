import type { Connection } from 'mysql2';
import { Cursor } from '../binlog/cursor.ts';
import type { Flavour } from '../binlog/flavour.ts';
import { MalformedEvent } from '../binlog/malformed.ts';
import { CodedError } from '../lib/error.ts';
import type { Row } from '../row/change.ts';
import { sendCommand, type Packet } from '../source/raw-command.ts';
import { compileTextRow, readResultColumn, type ReadTextRow, type ResultColumn } from './text-row.ts';
import { textValue, type SelectForm } from './text-value.ts';

/** A column of a SELECT's answer, in its order. */
export interface SelectedColumn {
  readonly name: string;
  readonly form: SelectForm;
}

export interface SelectedRows {
  readonly rows: Row[];
  /** How many bytes they were on the wire. */
  readonly bytes: number;
}

const COM_QUERY = 3;
const ERROR_MARK = 0xff;

/**
 * Runs a SELECT on a connection of mysql2's and makes rows of its packets as they come: mysql2's own rows lose what is not text and
 * take several times as long.
 */
export function selectRows(
  connection: Connection,
  statement: { readonly sql: string; readonly columns: readonly SelectedColumn[] },
  flavour: Flavour,
): Promise<SelectedRows> {
  return new Promise((resolve, reject) => {
    const answer = new Answer(statement.columns, flavour);
    const onPacket = (packet: Packet): boolean => {
      if (packet.buffer[packet.offset] === ERROR_MARK) {
        reject(packet.asError('utf8'));
        return true;
      }
      const isEnd = answer.take(packet);
      if (isEnd) settle(answer, resolve, reject);
      return isEnd;
    };
    sendCommand(connection, Buffer.concat([Buffer.of(COM_QUERY), Buffer.from(statement.sql)]), onPacket, reject);
  });
}

function settle(answer: Answer, resolve: (rows: SelectedRows) => void, reject: (error: Error) => void): void {
  if (answer.fault === undefined) resolve({ rows: answer.rows, bytes: answer.bytes });
  else reject(answer.fault);
}

/** A text result set: the count of its columns, each of them, EOF, the rows, EOF. */
class Answer {
  readonly rows: Row[] = [];
  bytes = 0;
  /** What kept the rows from being read; the answer is taken to its end nevertheless, so that the connection can be used again. */
  fault: Error | undefined;
  readonly #columns: readonly SelectedColumn[];
  readonly #flavour: Flavour;
  #isBegun = false;
  readonly #found: ResultColumn[] = [];
  #readRow: ReadTextRow | undefined;

  constructor(columns: readonly SelectedColumn[], flavour: Flavour) {
    this.#columns = columns;
    this.#flavour = flavour;
  }

  /** Whether this was the last. */
  take(packet: Packet): boolean {
    if (packet.isEOF()) {
      if (this.#readRow !== undefined) return true;
      this.#try(() => (this.#readRow = this.#compile()));
      this.#readRow ??= () => ({});
    } else if (this.#readRow !== undefined) {
      if (this.fault === undefined) this.#row(packet, this.#readRow);
    } else if (this.#isBegun) {
      this.#try(() => this.#found.push(readResultColumn(packet.buffer, packet.offset, packet.end)));
    } else {
      this.#isBegun = true;
      // zero columns: no result set follows
      if (packet.buffer[packet.offset] !== 0) return false;
      this.fault = new CodedError('INTERNAL', 'a SELECT that gives no rows at all');
      return true;
    }
    return false;
  }

  #row(packet: Packet, readRow: ReadTextRow): void {
    this.bytes += packet.end - packet.offset;
    try {
      this.rows.push(readRow(new Cursor(packet.buffer, packet.offset, packet.end)));
    } catch (error) {
      this.fault = faultOf(error);
    }
  }

  #try(read: () => unknown): void {
    try {
      read();
    } catch (error) {
      this.fault ??= faultOf(error);
    }
  }

  #compile(): ReadTextRow {
    if (this.#found.length !== this.#columns.length) {
      throw new MalformedEvent(`${this.#found.length} columns where ${this.#columns.length} were selected`);
    }
    const columns = this.#columns.map(({ name, form }, index) => {
      const found = this.#found[index];
      if (found === undefined) throw new MalformedEvent(`no column ${name}`);
      return { name, make: textValue(found, form, this.#flavour) };
    });
    return compileTextRow(columns);
  }
}

function faultOf(error: unknown): Error {
  const text = error instanceof Error ? error.message : String(error);
  return new CodedError('SOURCE_UNDECODABLE', `rows of a SELECT: ${text}`, { cause: error });
}
