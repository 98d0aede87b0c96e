/**
 * Rows in a Redis: each one a hash (`kind: hash`, a field for each column, values as texts) or a JSON document (`kind: string`, values
 * with their types). At least once: a save that is done again leaves the same rows, and commands of the user's own that write are
 * remembered by batch (redis-batch.ts), so that an increment is not done twice when the same batch is tried again.
 */
import { CodedError } from '../lib/error.ts';
import type { Row } from '../row/change.ts';
import type { BatchScope, Connector, ConnectorOptions, ConnectorSession } from './contract.ts';
import { parseRedisAddress } from './redis-address.ts';
import { RedisBatch } from './redis-batch.ts';
import { RedisKey } from './redis-key.ts';
import { RedisLink } from './redis-link.ts';
import type { SaveMode } from './redis-plan.ts';
import { RedisCommands } from './redis-query.ts';
import { RedisRows, type RedisKind } from './redis-rows.ts';

const kinds: readonly RedisKind[] = ['hash', 'string'];
const modes: readonly SaveMode[] = ['upsert', 'insert', 'update'];

/** Makes a connector of type `redis`. Throws CONFIG_INVALID for an address, a key or a parameter that is none. */
export function createRedisConnector(options: ConnectorOptions): Connector {
  return new RedisConnector(options);
}

class RedisConnector implements Connector {
  readonly name: string;
  readonly type: string;
  readonly guarantee = 'at-least-once';
  readonly #link: RedisLink;
  readonly #rows: RedisRows;
  readonly #commands: RedisCommands;

  constructor(options: ConnectorOptions) {
    const { name, addrs } = options;
    this.name = name;
    this.type = options.type;
    this.#link = new RedisLink({
      connector: name,
      address: parseRedisAddress(addrs, name),
      timeoutMs: readNumber(options, { param: 'timeout', fallback: 10_000, min: 1 }),
    });
    this.#rows = new RedisRows({
      connector: name,
      link: this.#link,
      key: new RedisKey(options),
      kind: readWord(options, 'kind', kinds),
      mode: readWord(options, 'mode', modes),
      ttlSeconds: readNumber(options, { param: 'ttl', fallback: 0, min: 0 }),
    });
    this.#commands = new RedisCommands(this.#link, name);
  }

  /** Connects, so that a wrong address or password shows at once. A connection that is lost later is made anew when it is needed. */
  async open(): Promise<void> {
    await this.#link.open();
  }

  session(scope: BatchScope): ConnectorSession {
    const batch = new RedisBatch(this.#link, this.name, scope);
    return {
      save: (rows) => this.#rows.save(batch, rows, scope.signal),
      load: (keys: readonly Row[]) => this.#rows.load(keys, scope.signal),
      query: (statement, params) => this.#commands.run(batch, statement, params ?? []),
    };
  }

  async close(): Promise<void> {
    await this.#link.close();
  }
}

/** One of some words; the first one when nothing is said. */
function readWord<Word extends string>({ name, params }: ConnectorOptions, param: string, words: readonly Word[]): Word {
  const written = params[param] ?? words[0];
  const found = words.find((word) => word === written);
  if (found === undefined) throw invalid(name, `params.${param} is ${written}; write ${words.join(' or ')}`);
  return found;
}

function readNumber(
  { name, params }: ConnectorOptions,
  { param, fallback, min }: { readonly param: string; readonly fallback: number; readonly min: number },
): number {
  const text = params[param];
  if (text === undefined) return fallback;
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number < min || number > 2 ** 31 - 1) {
    throw invalid(name, `params.${param} is ${text}; write a whole number from ${min}`);
  }
  return number;
}

function invalid(connector: string, problem: string): CodedError {
  return new CodedError('CONFIG_INVALID', `Connector ${connector}: ${problem}.`);
}
