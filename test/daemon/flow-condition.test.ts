import { describe, expect, it } from 'vitest';
import { FlowCondition } from '../../src/daemon/flow-condition.ts';
import type { FlowState, FlowWish } from '../../src/daemon/flow-record.ts';
import { deferred, type Deferred } from '../../src/lib/abort.ts';
import { CodedError } from '../../src/lib/error.ts';
import { waitFor } from '../support/wait-for.ts';

/** A row of kis_flow whose writes are answered one by one; each takes effect when it is answered. */
function makeRow() {
  const row: { state: FlowState | undefined; code: string | undefined } = { state: undefined, code: undefined };
  const writes: Deferred<void>[] = [];
  const records = {
    async setState(_flow: string, state: FlowState, error?: CodedError): Promise<void> {
      const answer = deferred<void>();
      writes.push(answer);
      await answer.promise;
      Object.assign(row, { state, code: error?.code });
    },
  };
  const answer = async (index: number, error?: Error): Promise<void> => {
    const write = await waitFor(() => writes[index]);
    if (error === undefined) write.resolve();
    else write.reject(error);
  };
  return { row, writes, answer, condition: new FlowCondition('f', records) };
}

const wish: FlowWish = { isPaused: false, hasError: false, tablesHash: '', hasRowWishes: false, hasRunWishes: false };
const lost = new CodedError('STORE_UNREACHABLE', 'it is gone', { class: 'retry' });

describe('what a flow tells the store of its state', () => {
  it('L12 the last state stays, however long the write of the one before takes', async () => {
    const { row, writes, answer, condition } = makeRow();
    const first = condition.set('retrying', lost);
    await waitFor(() => writes.length > 0);
    const second = condition.set('running');
    await Promise.resolve();
    writes[1]?.resolve(); // where both are under way at once, the later one is done first
    await answer(0);
    await first;
    await answer(1);
    await second;
    expect(row).toEqual({ state: 'running', code: undefined });
  });

  it('L12 what could not be written is written when the store answers again, and no failure is cleared by that', async () => {
    const { row, answer, condition } = makeRow();
    const failed = condition.set('failed', new CodedError('SOURCE_PURGED', 'it is purged'));
    await answer(0, lost);
    await expect(failed).rejects.toBe(lost);
    condition.observe(wish, performance.now());
    expect(condition.isResumed).toBe(false);
    await answer(1);
    await waitFor(() => row.code === 'SOURCE_PURGED');
    await waitFor(() => {
      condition.observe(wish, performance.now());
      return condition.isResumed;
    });
  });

  it('L6 nothing is told of a flow that another daemon has taken over', async () => {
    const { writes, answer, condition } = makeRow();
    const set = condition.set('running');
    await answer(0, lost);
    await expect(set).rejects.toBe(lost);
    condition.assume('standby');
    condition.observe(wish, performance.now());
    await Promise.resolve();
    expect(writes).toHaveLength(1);
  });
});
