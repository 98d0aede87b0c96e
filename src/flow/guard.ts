import { Session } from 'node:inspector';
import { Script } from 'node:vm';

/**
 * Interrupts synchronous code that does not return: V8 ends whatever JavaScript the thread runs, a plain `while (true)` included,
 * and no `catch` or `finally` of that code can hold it up. Other work of the thread goes on afterwards.
 *
 * There are two ways to it. The time limit of the inspector's `Runtime.evaluate` is a task on V8's own timer thread: 25 to 30 µs for
 * a guarded call (measured on two cores, Node 20; an unguarded call costs 0.04 µs). But a task takes about 400 bytes until its time
 * is over, though the call has long returned. node:vm's time limit leaves nothing behind, but starts and joins a thread for each
 * call: 90 to 125 µs. So the first way serves while few tasks can be left over, the second one beyond that. The runner
 * guards a whole stretch of functions at once, never a row.
 */
export function callWithin<T>(ms: number, call: () => T): Guarded<T> {
  if (ms <= 0 || isGuarding) return { kind: 'returned', value: call() };
  const guarded = new GuardedCall(call);
  isGuarding = true;
  try {
    if (mayLeaveTask(ms)) evaluateWithin(ms, guarded);
    // Where there is no inspector (a build without it, code generation forbidden), nothing was called so far.
    if (!guarded.isStarted) runWithin(ms, guarded);
  } finally {
    isGuarding = false;
  }
  return guarded.read();
}

/** How a guarded call ended; what it throws passes. A limit of 0 ms is none; a call within a guarded one is under that one's limit. */
export type Guarded<T> = { readonly kind: 'returned'; readonly value: T } | { readonly kind: 'interrupted' };

const slot = Symbol.for('kisflow.guarded');
const source = "globalThis[Symbol.for('kisflow.guarded')]()";
const script = new Script(source, { filename: 'kisflow-guard' });
const longestMs = 2 ** 31 - 1;

/** Tasks of two windows may be left over at once: 24 MB at most. */
const window = { ms: 30_000, callsMax: 30_000 };
let windowStart = -Infinity;
let windowCalls = 0;
let session: Session | undefined;
let isGuarding = false;

function mayLeaveTask(ms: number): boolean {
  if (ms > window.ms) return false;
  const now = performance.now();
  if (now - windowStart >= window.ms) {
    windowStart = now;
    windowCalls = 0;
  }
  windowCalls += 1;
  return windowCalls <= window.callsMax;
}

/** One call and how it ended. Interrupted is what has neither returned nor thrown: one that just made it counts as returned. */
class GuardedCall<T> {
  isStarted = false;
  readonly #call: () => T;
  #outcome: { readonly value: T } | { readonly thrown: unknown } | undefined;

  constructor(call: () => T) {
    this.#call = call;
    Reflect.set(globalThis, slot, () => this.#run());
  }

  read(): Guarded<T> {
    if (this.#outcome === undefined) return { kind: 'interrupted' };
    if ('thrown' in this.#outcome) throw this.#outcome.thrown;
    return { kind: 'returned', value: this.#outcome.value };
  }

  #run(): void {
    this.isStarted = true;
    try {
      this.#outcome = { value: this.#call() };
    } catch (error) {
      this.#outcome = { thrown: error };
    }
  }
}

function evaluateWithin(ms: number, guarded: GuardedCall<unknown>): void {
  try {
    if (session === undefined) {
      session = new Session();
      session.connect();
    }
    // `silent`: an attached debugger does not stop at what the call throws. The answer is in `guarded`.
    session.post('Runtime.evaluate', { expression: source, timeout: ms, silent: true });
  } catch (error) {
    if (guarded.isStarted) throw error;
  }
}

function runWithin(ms: number, guarded: GuardedCall<unknown>): void {
  try {
    script.runInThisContext({ timeout: Math.min(Math.ceil(ms), longestMs), displayErrors: false });
  } catch (error) {
    const isInterruption = error instanceof Error && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
    if (!isInterruption || !guarded.isStarted) throw error;
  }
}
