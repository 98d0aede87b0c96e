import { deferred, type Deferred } from '../lib/abort.ts';

/** Events that one connection reads and another one waits for: bounded in bytes, by a promise that means "enough". */
export class EventPipe {
  readonly #bytesMax: number;
  #events: Buffer[] = [];
  #bytes = 0;
  #room: Deferred<void> | undefined;
  #arrived: Deferred<void> | undefined;
  #end: { readonly error?: unknown } | undefined;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  push(event: Buffer): Promise<void> | undefined {
    this.#events.push(event);
    this.#bytes += event.length;
    this.#arrived?.resolve();
    if (this.#bytes < this.#bytesMax) return undefined;
    this.#room ??= deferred();
    return this.#room.promise;
  }

  /** Nothing more comes. */
  end(): void {
    this.#end = {};
    this.#arrived?.resolve();
  }

  /** What is waited for never comes: whoever waits gets the error, behind the events that there are. */
  fail(error: unknown): void {
    this.#end = { error };
    this.#arrived?.resolve();
  }

  *events(): Generator<Buffer | Promise<void>, void> {
    for (;;) {
      const events = this.#events;
      this.#events = [];
      this.#bytes = 0;
      this.#room?.resolve();
      this.#room = undefined;
      yield* events;
      if (this.#events.length > 0) continue;
      if (this.#end !== undefined) {
        if ('error' in this.#end) yield Promise.reject(this.#end.error);
        return;
      }
      this.#arrived = deferred();
      yield this.#arrived.promise;
      this.#arrived = undefined;
    }
  }
}
