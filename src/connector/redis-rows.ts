import { createHash } from 'node:crypto';
import { sleep } from '../lib/abort.ts';
import { CodedError } from '../lib/error.ts';
import type { Row, Value } from '../row/change.ts';
import type { RedisBatch } from './redis-batch.ts';
import type { RedisKey } from './redis-key.ts';
import type { RedisArgument, RedisLink, RedisReply } from './redis-link.ts';
import { applyWrites, clash, piecesOf, planWrites, type KeyWrite, type SaveMode } from './redis-plan.ts';
import { readPairs } from './redis-query.ts';
import { saveHashes, swapTexts } from './redis-scripts.ts';
import { readDocument, writeDocument, writeField } from './redis-value.ts';

export type RedisKind = 'hash' | 'string';

export interface RedisRowsOptions {
  readonly connector: string;
  readonly link: RedisLink;
  readonly key: RedisKey;
  readonly kind: RedisKind;
  readonly mode: SaveMode;
  /** Seconds that a row lives after it was last written; 0: for ever. */
  readonly ttlSeconds: number;
}

const keysPerLoad = 500;
const swapTriesMax = 20;

/** Saves and loads rows. Each piece of a save is one script, done whole or not at all; a whole save may end between two pieces. */
export class RedisRows {
  readonly #options: RedisRowsOptions;

  constructor(options: RedisRowsOptions) {
    this.#options = options;
  }

  async save(batch: RedisBatch, rows: readonly unknown[], signal: AbortSignal): Promise<void> {
    const { key, connector, kind, mode } = this.#options;
    const writes = planWrites(rows, key, connector);
    for (const piece of piecesOf(writes)) {
      this.#throwIfStopped(signal);
      // An inserted row is there when the batch is tried again; what is upserted may be written again.
      const call = mode === 'insert' ? batch.name(wordsOf(piece)) : '';
      if (call !== '' && (await batch.isDone(call))) continue;
      if (kind === 'hash') await this.#saveHashes(batch, piece, call);
      else await this.#saveTexts(batch, piece, call);
    }
  }

  async load(keys: readonly Row[], signal: AbortSignal): Promise<Row[]> {
    const asked = new Map<string, Row>();
    for (const row of keys) {
      const key = this.#keyAsked(row);
      if (key !== undefined && !asked.has(key)) asked.set(key, row);
    }
    const found: Row[] = [];
    const names = [...asked.keys()];
    for (let from = 0; from < names.length; from += keysPerLoad) {
      this.#throwIfStopped(signal);
      const some = names.slice(from, from + keysPerLoad);
      for (const [index, row] of (await this.#read(some)).entries()) {
        const wanted = asked.get(some[index] ?? '') ?? {};
        if (row !== undefined && isMatch(row, wanted, this.#options.key.columns)) found.push(this.#withKey(row, wanted));
      }
    }
    return found;
  }

  async #saveHashes(batch: RedisBatch, piece: readonly KeyWrite[], call: string): Promise<void> {
    const { mode, connector, ttlSeconds } = this.#options;
    const keys = [...new Set(piece.map(({ key }) => key))];
    const places = new Map(keys.map((key, index) => [key, String(index + 3)]));
    const args: RedisArgument[] = [mode, String(ttlSeconds), call];
    for (const { key, row } of piece) {
      const place = places.get(key) ?? '';
      if (row === undefined) args.push('D', place);
      else pushHash(args, place, row);
    }
    const refused = await batch.run(saveHashes, keys, args);
    if (typeof refused === 'number' && refused > 0) throw clash(connector, keys[refused - 3] ?? '');
  }

  /** Reads, changes and writes back, if nobody has written in between: else once more. */
  async #saveTexts(batch: RedisBatch, piece: readonly KeyWrite[], call: string): Promise<void> {
    const { link, connector, ttlSeconds } = this.#options;
    const keys = [...new Set(piece.map(({ key }) => key))];
    for (let tries = 0; tries < swapTriesMax; tries += 1) {
      const texts = await readList(link, keys);
      const known = new Map(keys.map((key, index) => [key, this.#parse(key, texts[index] ?? null)]));
      const rows = applyWrites(piece, known, this.#options);
      const args: RedisArgument[] = [String(ttlSeconds), call];
      for (const [index, key] of keys.entries()) {
        const row = rows.get(key);
        args.push(sha1(texts[index] ?? null), row === undefined ? '' : writeDocument(row));
      }
      if ((await batch.run(swapTexts, keys, args)) === 1) return;
      // Not in step with the other writer, or both would lose for ever.
      await sleep(Math.random() * Math.min(2 ** tries, 100));
    }
    throw new CodedError('CONNECTOR_FAILED', `Connector ${connector}: others keep writing the rows that are to be saved.`, {
      class: 'retry',
      details: { connector },
    });
  }

  async #read(keys: readonly string[]): Promise<readonly (Row | undefined)[]> {
    const { kind, link } = this.#options;
    if (kind === 'string') return (await readList(link, keys)).map((text, index) => this.#parse(keys[index] ?? '', text));
    const replies = await link.callEach(
      'HGETALL',
      keys.map((key) => [key]),
    );
    return replies.map((reply) => (Array.isArray(reply) && reply.length > 0 ? readPairs(reply) : undefined));
  }

  #parse(key: string, text: RedisReply): Row | undefined {
    if (text === null) return undefined;
    const row = readDocument(String(text));
    if (row !== undefined) return row;
    const { connector } = this.#options;
    throw new CodedError('CONNECTOR_FAILED', `Connector ${connector}: what Redis has at the key ${key} is no JSON object.`, {
      details: { connector, key },
    });
  }

  /** The key of the row that is asked for; undefined where a column of it is null, so that no row has it. */
  #keyAsked(row: Row): string | undefined {
    const { key, connector } = this.#options;
    const isWhole = key.columns.every((column) => row[column] !== undefined);
    if (!isWhole) {
      const message = `Connector ${connector}: rows of a Redis are found by their key (${key.columns.join(', ')}), not by ${Object.keys(row).join(', ') || 'nothing'}. Name the key's columns in the Load function's parameter key.`;
      throw new CodedError('CONNECTOR_FAILED', message, { details: { connector } });
    }
    return key.columns.some((column) => row[column] === null) ? undefined : key.keyOf(row, connector);
  }

  /** The row with its key as it was asked for: a hash holds texts, and may have been written without its key. */
  #withKey(row: Row, wanted: Row): Row {
    const columns = this.#options.key.columns.map((column): [string, Value] => [column, wanted[column]]);
    return { ...row, ...Object.fromEntries(columns) };
  }

  #throwIfStopped(signal: AbortSignal): void {
    if (!signal.aborted) return;
    const { connector } = this.#options;
    throw new CodedError('STOP_DEADLINE', `Connector ${connector}: stopped before all rows were done.`, { class: 'retry' });
  }
}

function pushHash(args: RedisArgument[], place: string, row: Row): void {
  const set: RedisArgument[] = [];
  const drop: string[] = [];
  for (const [name, value] of Object.entries(row)) {
    if (value === null) drop.push(name);
    else if (value !== undefined) set.push(name, writeField(value, name));
  }
  args.push('S', place, String(set.length), String(drop.length), ...set, ...drop);
}

async function readList(link: RedisLink, keys: readonly string[]): Promise<readonly RedisReply[]> {
  const reply = await link.call('MGET', keys);
  return Array.isArray(reply) ? reply : [];
}

/** Columns beside the key that were asked for must be equal, as texts. */
function isMatch(row: Row, wanted: Row, keyColumns: readonly string[]): boolean {
  return Object.entries(wanted).every(
    ([name, value]) => value === undefined || keyColumns.includes(name) || textOf(row[name]) === textOf(value),
  );
}

function textOf(value: Value): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1');
  return value === undefined ? 'null' : String(value);
}

function wordsOf(piece: readonly KeyWrite[]): readonly string[] {
  return piece.flatMap(({ key, row }) => [key, row === undefined ? '' : writeDocument(row)]);
}

function sha1(text: RedisReply): string {
  return text instanceof Buffer ? createHash('sha1').update(text).digest('hex') : '';
}
