import type { Position } from '../row/position.ts';
import type { FlowService } from './flow-service.ts';
import { hasPassed } from './freshness.ts';

/** What is received at most this long after it was committed is near the head. */
const nearMs = 2000;

/** Looks, again and again, whether a flow receives what is new as fast as it comes. */
export class NearHead {
  /** An end of the binlog, and when it was seen. */
  #head: { readonly head: Position; readonly at: number } | undefined;

  async isNear(service: FlowService, signal: AbortSignal): Promise<boolean> {
    if (service.received === undefined || service.isLoading) return false;
    const before = this.#head;
    if (before !== undefined && !hasPassed(service.received, before.head)) return false;
    const at = performance.now();
    const head = await service.source.head(signal);
    this.#head = { head, at };
    // at the head itself it is near however long it takes to look
    return hasPassed(service.received, head) || (before !== undefined && at - before.at <= nearMs);
  }

  forget(): void {
    this.#head = undefined;
  }
}
