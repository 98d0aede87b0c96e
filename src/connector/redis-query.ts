/** Redis commands of the user's own, through `query('HINCRBY', [key, field, 5])`. */
import { CodedError } from '../lib/error.ts';
import type { Row, Value } from '../row/change.ts';
import type { RedisBatch } from './redis-batch.ts';
import type { RedisArgument, RedisLink, RedisReply } from './redis-link.ts';
import { readField, writeField } from './redis-value.ts';

/** They change the connection, which all flows share, or make it wait. */
const refused = new Set(
  'AUTH CLIENT DISCARD EXEC HELLO MONITOR MULTI PSUBSCRIBE PSYNC PUNSUBSCRIBE QUIT RESET SELECT SHUTDOWN SSUBSCRIBE SUBSCRIBE SUNSUBSCRIBE SYNC UNSUBSCRIBE UNWATCH WATCH'.split(
    ' ',
  ),
);

/** Asks a Redis what kinds of command it has, each once. */
export class RedisCommands {
  readonly #link: RedisLink;
  readonly #connector: string;
  readonly #flags = new Map<string, ReadonlySet<string>>();

  constructor(link: RedisLink, connector: string) {
    this.#link = link;
    this.#connector = connector;
  }

  /**
   * Runs a command: `statement` is its name (`XGROUP CREATE`: further words go before `params`). A command that writes is done once in
   * a batch, however often the batch is tried; scripts (EVAL, FCALL) and PUBLISH are not. Blocking commands, and those that
   * change the connection, are refused.
   */
  async run(batch: RedisBatch, statement: string, params: readonly unknown[]): Promise<readonly Row[]> {
    const [command = '', ...words] = statement.trim().split(/\s+/);
    const name = command.toUpperCase();
    const args: RedisArgument[] = [...words, ...params.map((value, index) => this.#argument(value, index))];
    const flags = await this.#flagsOf(name);
    if (refused.has(name) || flags.has('blocking')) {
      throw this.#error(`${name} is refused: it blocks the connection, or changes it, and all flows share it`);
    }
    const isOnce = flags.has('write') && !flags.has('noscript');
    return toRows(name, await (isOnce ? batch.callOnce(name, args) : this.#link.call(name, args)));
  }

  async #flagsOf(name: string): Promise<ReadonlySet<string>> {
    const known = this.#flags.get(name);
    if (known !== undefined) return known;
    const reply = await this.#link.call('COMMAND', ['INFO', name]);
    const [about] = Array.isArray(reply) ? reply : [];
    const list: unknown = Array.isArray(about) ? about[2] : undefined;
    if (!Array.isArray(list)) throw this.#error(`Redis has no command ${name}`);
    const flags = new Set(list.map(String));
    this.#flags.set(name, flags);
    return flags;
  }

  #argument(value: unknown, index: number): RedisArgument {
    if (isValue(value)) return writeField(value, `${index + 1} of a command`);
    throw this.#error(`parameter ${index + 1} of a command is ${String(value)}, which Redis does not have`);
  }

  #error(problem: string): CodedError {
    return new CodedError('CONNECTOR_FAILED', `Connector ${this.#connector}: ${problem}.`, {
      details: { connector: this.#connector },
    });
  }
}

/** A scalar is one row `{value}`, a list a row for each item, HGETALL one row of its fields, nil none. */
function toRows(command: string, reply: RedisReply): readonly Row[] {
  if (reply === null) return [];
  if (!isList(reply)) return [{ value: toValue(reply) }];
  if (command !== 'HGETALL') return reply.map((item) => ({ value: toValue(item) }));
  return reply.length === 0 ? [] : [readPairs(reply)];
}

/** The row of a flat list of field, value, field, value… */
export function readPairs(reply: readonly RedisReply[]): Row {
  const row: Row = {};
  for (let at = 0; at + 1 < reply.length; at += 2) row[String(reply[at])] = toValue(reply[at + 1] ?? null);
  return row;
}

function toValue(reply: RedisReply): Value {
  if (reply instanceof Buffer) return readField(reply);
  return isList(reply) ? reply.map(toValue) : reply;
}

function isList(reply: RedisReply): reply is readonly RedisReply[] {
  return Array.isArray(reply);
}

function isValue(value: unknown): value is Exclude<Value, null | undefined> {
  return value !== null && value !== undefined && typeof value !== 'function' && typeof value !== 'symbol';
}
