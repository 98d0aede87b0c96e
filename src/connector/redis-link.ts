import type { Redis } from 'ioredis';
import { CodedError, describeError } from '../lib/error.ts';
import { explainTls, tlsOptions } from '../lib/tls.ts';
import type { RedisAddress } from './redis-address.ts';
import type { RedisScript } from './redis-scripts.ts';

export type RedisArgument = string | Buffer;

/** What Redis says: whole numbers as texts where they are beyond 2^53, bulk strings as bytes. */
export type RedisReply = null | number | Buffer | readonly RedisReply[];

/** Answers that say "not now": the same command may succeed later, without anybody mending the flow. */
const passing = /^(LOADING|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|READONLY|OOM|MISCONF|NOREPLICAS)\b/;

/**
 * One connection to a Redis, made when it is needed. Nothing is sent twice and nothing waits in a queue: a command is answered, or
 * rejects with CONNECTOR_FAILED when the connection breaks or is silent for `timeoutMs` (class retry: the next command connects
 * anew). So a rejected command may have been done, and is never done later.
 */
export class RedisLink {
  readonly #connector: string;
  readonly #address: RedisAddress;
  readonly #timeoutMs: number;
  #client: Promise<Redis> | undefined;
  /** Why the connection broke, which its commands are not told. */
  #lastError: unknown;

  constructor(options: { readonly connector: string; readonly address: RedisAddress; readonly timeoutMs: number }) {
    this.#connector = options.connector;
    this.#address = options.address;
    this.#timeoutMs = options.timeoutMs;
  }

  /** Connects and logs in, where that has not been done. */
  async open(): Promise<void> {
    await this.#connected();
  }

  async call(command: string, args: readonly RedisArgument[]): Promise<RedisReply> {
    return this.#ask(async (client) => readReply(await client.callBuffer(command, [...args])));
  }

  /** Sends the same command for each list of arguments without waiting in between; rejects with the first failure. */
  async callEach(command: string, lists: readonly (readonly RedisArgument[])[]): Promise<readonly RedisReply[]> {
    return this.#ask(async (client) => {
      const pipeline = client.pipeline();
      for (const args of lists) pipeline.callBuffer(command, [...args]);
      const answers = (await pipeline.exec()) ?? [];
      return answers.map(([error, answer]) => {
        if (error !== null) throw error;
        return readReply(answer);
      });
    });
  }

  /** Runs a script, whose text the server is sent once. */
  async run(script: RedisScript, keys: readonly string[], args: readonly RedisArgument[]): Promise<RedisReply> {
    const rest = [String(keys.length), ...keys, ...args];
    try {
      return await this.call('EVALSHA', [script.sha, ...rest]);
    } catch (error) {
      if (!(error instanceof CodedError && error.cause instanceof Error && error.cause.message.startsWith('NOSCRIPT'))) throw error;
      return this.call('EVAL', [script.text, ...rest]);
    }
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    (await client?.catch(() => undefined))?.disconnect();
  }

  async #ask<T>(question: (client: Redis) => Promise<T>): Promise<T> {
    const connection = this.#connected();
    const client = await connection;
    try {
      return await question(client);
    } catch (error) {
      // The connection is of no use any more, which it may not know yet.
      if (!isAnswer(error) && this.#forget(connection)) client.disconnect();
      throw this.#failure(error);
    }
  }

  /** The connection that all share, begun where there is none. */
  #connected(): Promise<Redis> {
    if (this.#client !== undefined) return this.#client;
    const connecting = this.#connect();
    this.#client = connecting;
    connecting.then(
      (client) => client.once('close', () => this.#forget(connecting)),
      () => this.#forget(connecting),
    );
    return connecting;
  }

  /** Whether it was the one that is shared. */
  #forget(connection: Promise<Redis>): boolean {
    if (this.#client !== connection) return false;
    this.#client = undefined;
    return true;
  }

  async #connect(): Promise<Redis> {
    // loaded when the first one is made: most projects have none, and each start and command would pay for it
    const { Redis: Client } = await import('ioredis');
    const client = new Client({
      ...this.#clientOptions(),
      connectTimeout: this.#timeoutMs,
      socketTimeout: this.#timeoutMs,
    });
    let trouble: unknown;
    client.on('error', (error: unknown) => {
      // Also what ioredis only tells: a refused SELECT, after which it would go on in database 0.
      trouble ??= error;
      this.#lastError = error;
    });
    // A server that loads its data answers and is not ready: the whole way to ready is limited too.
    const limit = setTimeout(() => {
      trouble ??= new Error(`not ready within ${this.#timeoutMs} ms`);
      client.disconnect();
    }, this.#timeoutMs);
    try {
      await client.connect();
      if (trouble === undefined) return client;
    } catch (error) {
      trouble ??= error;
    } finally {
      clearTimeout(limit);
    }
    client.disconnect();
    throw this.#failure(trouble);
  }

  #clientOptions() {
    try {
      return clientOptions(this.#address);
    } catch (error) {
      throw this.#failure(error); // a file of its TLS
    }
  }

  #failure(failure: unknown): CodedError {
    const { host, port } = this.#address;
    const isClosed = failure instanceof Error && failure.message === 'Connection is closed.';
    const error = isClosed ? (this.#lastError ?? failure) : failure;
    const message = error instanceof Error ? error.message : '';
    // ioredis hangs the command on an error, and AUTH has the password
    if (error instanceof Error) Reflect.deleteProperty(error, 'command');
    const tls = explainTls(error);
    const text = tls === undefined ? describeError(error) : `TLS (ssl=${this.#address.tls}): ${tls}`;
    return new CodedError('CONNECTOR_FAILED', `Connector ${this.#connector}: Redis at ${host}:${port}: ${text}`, {
      class: tls !== undefined || (isAnswer(error) && !passing.test(message)) ? 'stop' : 'retry',
      cause: error,
      details: { connector: this.#connector },
    });
  }
}

/** What Redis itself said, in contrast to what became of the connection. */
function isAnswer(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}

function clientOptions(address: RedisAddress) {
  const { host, port, user, password, db } = address;
  const tls = tlsOptions(address);
  return {
    host,
    port,
    db,
    ...(user === '' ? {} : { username: user }),
    ...(password === '' ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
    lazyConnect: true,
    protocol: 2,
    retryStrategy: null,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    stringNumbers: true,
    keepAlive: 30_000,
    disableClientInfo: true,
  } as const;
}

function readReply(answer: unknown): RedisReply {
  if (Array.isArray(answer)) return answer.map(readReply);
  if (answer === null || answer === undefined) return null;
  if (answer instanceof Uint8Array) return Buffer.from(answer);
  if (typeof answer !== 'string') return Number(answer);
  const number = Number(answer);
  return Number.isSafeInteger(number) ? number : Buffer.from(answer);
}
