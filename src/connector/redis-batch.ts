import { createHash } from 'node:crypto';
import type { BatchScope } from './contract.ts';
import type { RedisArgument, RedisLink, RedisReply } from './redis-link.ts';
import { callOnce, type RedisScript } from './redis-scripts.ts';

/** Of a SHA-1 in base64. */
const digestLength = 28;

/**
 * What one session of a batch has asked Redis for, so that what may not be done twice is done once: a call is known by the step
 * of the run, its own words, and how many calls with the same words came before it in the step. A batch that is tried again makes the
 * same calls, in whatever order. See redis-scripts.ts for where they are kept.
 */
export class RedisBatch {
  readonly #link: RedisLink;
  readonly #step: number | undefined;
  readonly #keys: readonly [string, string];
  readonly #counts = new Map<string, number>();

  constructor(link: RedisLink, connector: string, batch: BatchScope) {
    this.#link = link;
    this.#step = batch.step;
    const of = `${batch.flow}:${connector}`;
    this.#keys = [`kis:batches:${of}`, `kis:batch:${of}:${batch.id}`];
  }

  /** The name of this call: the same when the batch is tried again. */
  name(words: readonly RedisArgument[]): string {
    const hash = createHash('sha1').update(`${this.#step ?? ''}`);
    // With its length in front, so that no two lists of words are one text.
    for (const word of words) hash.update(`\0${Buffer.byteLength(word)}\0`).update(word);
    const digest = hash.digest('base64');
    const count = this.#counts.get(digest) ?? 0;
    this.#counts.set(digest, count + 1);
    return `${digest}${count}`;
  }

  /** The call failed, and nobody knows whether it was done: made again by the same code, it is the same call. */
  #release(name: string): void {
    const digest = name.slice(0, digestLength);
    const count = Number(name.slice(digestLength));
    if (this.#counts.get(digest) === count + 1) this.#counts.set(digest, count);
  }

  /** Whether a call of this name was done by an earlier try. */
  async isDone(name: string): Promise<boolean> {
    return (await this.#link.call('HEXISTS', [this.#keys[1], name])) === 1;
  }

  /** Runs a script that remembers calls: the batch's two keys come before its own. */
  run(script: RedisScript, keys: readonly string[], args: readonly RedisArgument[]): Promise<RedisReply> {
    return this.#link.run(script, [...this.#keys, ...keys], args);
  }

  /** Runs a command, unless an earlier try has done so: then it gives what was answered then. */
  async callOnce(command: string, args: readonly RedisArgument[]): Promise<RedisReply> {
    const name = this.name([command, ...args]);
    try {
      return await this.run(callOnce, [], [name, command, ...args]);
    } catch (error) {
      this.#release(name);
      throw error;
    }
  }
}
