import { JsonDocument } from './json-document.ts';
import { parsePath } from './json-path.ts';
import { insert, JsonTree, remove, replace, type JsonNode, type JsonSpot } from './json-tree.ts';
import { printText } from './json-writer.ts';
import { MalformedEvent } from '../malformed.ts';

export interface JsonDiffOptions {
  /** The column's binary JSON in the row's before-image, without the length before it. */
  readonly before: Buffer;
  /** The column's bytes in the row's after-image, without the length before them. None at all: the value did not change. */
  readonly diffs: Buffer;
}

/** What is done at a path (enum_json_diff_operation in sql-common/json_diff.h). */
const Operation = { REPLACE: 0, INSERT: 1, REMOVE: 2 } as const;

/**
 * The text of a JSON value after the changes that an update logs of it (binlog_row_value_options=PARTIAL_JSON), as SELECT prints it.
 * Throws MalformedEvent for bytes that are no changes, and for changes that do not fit the value before: a server rejects those too.
 *
 * Where they stand (sql/rpl_record.h and .cc, unpack_row): PARTIAL_UPDATE_ROWS_EVENT (39) is an UPDATE_ROWS_EVENT of version 2 (31)
 * to the bit, but for what is between a row's images:
 *
 *     before-image      null bits, columns: as in an UPDATE_ROWS_EVENT, always with the whole JSON value
 *     value_options     a length-encoded integer (one byte): 1 when PARTIAL_JSON is used in this row, else 0; nothing above 1 is known
 *     partial bits      only when value_options is 1: (n + 7) / 8 bytes, where n is the number of JSON columns of the *table*, whether
 *                       or not an image has them (binlog_row_image=MINIMAL leaves some out); the bit of the table's k-th JSON column
 *                       is bit k & 7 of byte k >> 3; set: the after-image has changes of this column instead of its value
 *     after-image       null bits (of the columns of the after-image), columns
 *
 * A column of changes has the length of any JSON value before it (4 bytes, little-endian: the metadata's length size), and then,
 * one behind the other (Json_diff_vector::read_binary in sql-common/json_diff.cc):
 *
 *     operation         1 byte: 0 REPLACE, 1 INSERT, 2 REMOVE
 *     path              length-encoded length, text (`$.a[0]."b c"`)
 *     value             not of REMOVE: length-encoded length, binary JSON
 *
 * A JSON column that the update leaves as it is has its bit set and no changes. A NULL has none even if its bit is set. The value before
 * is needed: under binlog_row_image=MINIMAL the before-image lacks it, and then nobody can tell the value after (a replica looks it up
 * in its own table). NOBLOB keeps it (seen with MySQL 9.7). Changes are made in their order, each
 * on what the ones before it left (apply_json_diffs): REPLACE and REMOVE need a value at the path, INSERT of a member needs that there
 * is none, INSERT into an array moves what is there back, or appends behind the last element.
 */
export function applyJsonDiffs({ before, diffs }: JsonDiffOptions): string {
  const tree = new JsonTree(nodeOf(before));
  const reader = new DiffReader(diffs);
  while (reader.hasMore) {
    const { operation, path, value } = reader.next();
    const spot = tree.find(parsePath(path));
    if (spot === undefined) throw new MalformedEvent(`a change at ${shown(path)}, which the JSON value before does not have`);
    change(operation, spot, value, path);
  }
  return printText((to) => tree.print(to));
}

interface JsonDiff {
  readonly operation: number;
  readonly path: string;
  /** Undefined for REMOVE. */
  readonly value: JsonNode | undefined;
}

function change(operation: number, spot: JsonSpot, value: JsonNode | undefined, path: string): void {
  const isFree = spot.kind === 'cell' || !spot.isThere;
  if (operation === Operation.INSERT && value !== undefined && isFree) insert(spot, value);
  else if (operation === Operation.REPLACE && value !== undefined && spot.isThere) replace(spot, value);
  else if (operation === Operation.REMOVE && spot.isThere) remove(spot);
  else throw new MalformedEvent(`a change at ${shown(path)} that the JSON value before does not allow`);
}

/** A path in a message: one of broken bytes may be long. */
function shown(path: string): string {
  return path.length > 100 ? `${path.slice(0, 100)}…` : path;
}

function nodeOf(bytes: Buffer): JsonNode {
  const document = new JsonDocument(bytes, 0, bytes.length);
  return { kind: 'placed', document, place: document.root() };
}

class DiffReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get hasMore(): boolean {
    return this.#at < this.#bytes.length;
  }

  next(): JsonDiff {
    const operation = this.#take(1).readUInt8(0);
    if (operation > Operation.REMOVE)
      throw new MalformedEvent(`a change of a JSON value by operation ${operation}, which is not known`);
    const path = this.#take(this.#length()).toString('utf8');
    const value = operation === Operation.REMOVE ? undefined : nodeOf(this.#take(this.#length()));
    return { operation, path, value };
  }

  /** A length-encoded integer. */
  #length(): number {
    const first = this.#take(1).readUInt8(0);
    if (first < 251) return first;
    if (first === 252) return this.#take(2).readUInt16LE(0);
    if (first === 253) return this.#take(3).readUIntLE(0, 3);
    if (first === 254) return Number(this.#take(8).readBigUInt64LE(0));
    throw new MalformedEvent('a change of a JSON value with a length that is none');
  }

  #take(count: number): Buffer {
    if (count > this.#bytes.length - this.#at) throw new MalformedEvent('a change of a JSON value that is cut short');
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
}
