import { expect, it } from 'vitest';
import { SourceWatch } from '../../src/daemon/source-watch.ts';
import { CodedError } from '../../src/lib/error.ts';
import { silentLogger, type Logger } from '../../src/lib/logger.ts';
import type { Position } from '../../src/row/position.ts';
import type { Source, SourceProbe } from '../../src/source/contract.ts';
import { waitFor } from '../support/wait-for.ts';

const head: Position = { server: 's', file: 'f.000002', offset: 4, gtid: '', rows: 0 };

/** A source of which nothing is wanted but looks. */
function sourceOf(probe: SourceProbe): Source {
  const refuse = (): never => {
    throw new Error('not asked for here');
  };
  return {
    name: 'hand',
    inspect: refuse,
    resolve: refuse,
    head: refuse,
    openProbe: () => probe,
    seesLock: refuse,
    verify: refuse,
    read: refuse,
    close: () => Promise.resolve(),
  };
}

it('L12 a source whose files cannot be looked at, or not in time, is fresh for as long as it answers, and that is said once', async () => {
  const said: string[] = [];
  const note = (_fields: unknown, text?: string): void => void said.push(text ?? '');
  const logger: Logger = { ...silentLogger, info: note, warn: note };
  const refused = new CodedError('SOURCE_UNREACHABLE', 'Too many connections', { class: 'retry' });
  let looks = 0;
  let asked = 0;
  let isListed = false;
  const probe: SourceProbe = {
    look: async () => ({ head: { ...head, offset: (looks += 1) }, time: 0 }),
    listBinlogs: async () => {
      if (!isListed) throw refused;
      return { files: [head.file, 'f.000003'].map((name) => ({ name, size: 4 })), expireMs: 1000 };
    },
    begunAt: (_file, signal) => {
      asked += 1;
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    },
    close: () => {},
  };
  const watch = new SourceWatch({ source: sourceOf(probe), logger, everyMs: 1, shelfMs: 0 });
  try {
    watch.want([head]);
    await waitFor(() => looks > 3);
    expect(watch.view.failure).toBeUndefined();
    expect(said).toEqual([expect.stringContaining('the binlogs of the source cannot be looked at')]);
    isListed = true;
    await waitFor(() => asked > 0);
    const before = looks;
    await waitFor(() => looks > before + 3);
    expect(asked).toBe(1);
  } finally {
    await watch.close();
  }
  expect(said).toHaveLength(1);
});
