import type { BatchState } from '../../flow/state.ts';
import { CodedError } from '../../lib/error.ts';
import type { Row } from '../../row/change.ts';
import type { RowTrace, TracedWrite } from '../../row/row-trace.ts';

/** Notes which fields of which rows a run writes; where they come from is of no interest. */
export class WrittenFields implements RowTrace {
  readonly #writes: TracedWrite[] = [];
  #markAt = 0;
  /** A function has tried to run SQL of its own. */
  hasUnseen = false;

  /** The fields of this row that were written, in lower case; undefined where none were. */
  fieldsOf(table: string, row: Row): ReadonlySet<string> | undefined {
    const own = this.#writes.filter(
      (write) => write.table.id === table && write.table.keyOf(write.at)?.text === write.table.keyOf(row)?.text,
    );
    if (own.length === 0) return undefined;
    return new Set(own.flatMap(({ fields }) => readNames(fields)));
  }

  wrote(write: TracedWrite): void {
    this.#writes.push(write);
  }

  removed(): void {}

  /** Throws: what a statement does is not known, and some end the transaction that is to be undone. */
  wroteUnseen(table: string): never {
    this.hasUnseen = true;
    throw new CodedError('FUNCTION_FAILED', `A function writes with its own SQL through the connector of ${table}`);
  }

  mark(): void {
    this.#markAt = this.#writes.length;
  }

  undo(): void {
    this.#writes.length = this.#markAt;
  }

  derive(): void {}

  wroteGroups(): void {}
}

function readNames(fields: string): readonly string[] {
  const list: unknown = JSON.parse(fields);
  return Array.isArray(list) ? list.map((name) => String(name).toLowerCase()) : [];
}

/** State that is not there to be used: what a function would find in it is not known here. */
export function refusingState(flow: string): BatchState {
  const refuse = (fname: string): never => {
    throw new CodedError('FUNCTION_FAILED', `Flow ${flow}: function ${fname} uses keyed state, which a look at one row must not.`);
  };
  return { valueCharsMax: 1, peek: refuse, read: refuse, readRange: refuse, write: refuse };
}
