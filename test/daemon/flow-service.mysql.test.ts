import { expect, it } from 'vitest';
import { FlowService } from '../../src/daemon/flow-service.ts';
import { ReaderPool } from '../../src/daemon/reader-pool.ts';
import { startWatchdog } from '../../src/daemon/watchdog.ts';
import { findFreePort } from '../../src/embedded/free-port.ts';
import { buildFlow } from '../../src/flow/build.ts';
import { Registry } from '../../src/flow/registry.ts';
import { runFlow } from '../../src/flow/runner.ts';
import { silentLogger, type Logger } from '../../src/lib/logger.ts';
import { createTableReader } from '../../src/snapshot/table-reader.ts';
import { LeaseKeeper } from '../../src/store/lease.ts';
import { createStoredFlows } from '../cli/stored-flows.ts';
import { openSource } from '../source/reading.ts';
import { onEnd } from '../support/cleanup.ts';
import { eachServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';

const retryLimitMs = 400;
const wish = { hasError: false, tablesHash: '', hasRowWishes: false, hasRunWishes: false };

eachServer((_flavour, server) => {
  it('a run that must end gives up by its first failure since the last success, not by its start', async () => {
    const { store, records } = await createStoredFlows(server);
    // nothing listens there: an error that may pass
    const source = openSource(`mysql://root@127.0.0.1:${await findFreePort()}`);
    const said: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      warn: (_fields, text = '') => said.push(text),
      error: (_fields, text = '') => said.push(text),
    };
    const limits = { source, hasGtid: true, graceMs: 1000, windowMs: 1000, joinBytes: 0, nearBytes: 0, gatherMs: 0 };
    const pool = new ReaderPool({ ...limits, logger });
    const leases = new LeaseKeeper({ store, holder: 'here', ttlMs: 60_000 });
    const watchdog = startWatchdog({ stallMs: 60_000 });
    const stop = new AbortController();
    const tables = createTableReader({ url: server.url, logger });
    onEnd(() => tables.close());
    onEnd(() => pool.close());
    onEnd(() => leases.close());
    onEnd(() => watchdog.stop());
    const service = new FlowService({
      subject: {
        flow: buildFlow({ name: 'f', steps: [] }, new Registry()),
        shape: 'change',
        start: { kind: 'latest' },
        snapshot: { tablesMax: 1, chunksMax: 1, named: [] },
        wants: () => true,
        wantsSchema: () => true,
        columns: undefined,
        tablesHash: 'hash',
        batch: { rows: 1000, bytes: 1_000_000 },
        badRows: { onBadRow: 'stop', perMinuteMax: 0, heldMax: 0 },
        onPurged: 'stop',
        tablePolicies: { onTruncate: 'stop', onDrop: 'stop', computed: [] },
        keepsLineage: false,
        sourceName: 'main',
        fingerprint: 'fingerprint',
        inShadow: () => {
          throw new Error('is not rebuilt here');
        },
      },
      source,
      tables,
      hasGtid: true,
      pool,
      store,
      leases,
      records,
      runFlow,
      watchdog,
      logger,
      watch: { view: { probes: [], latest: undefined, failure: undefined, shelf: undefined } },
      queueBytesMax: 1_000_000,
      retryLimitMs,
      pollMs: 20,
      leave: undefined,
      onReplaced: () => {},
      stop: stop.signal,
      abort: new AbortController().signal,
    });
    const startedAt = performance.now();
    service.observe({ ...wish, isPaused: true }, startedAt);
    const running = service.run({ once: false });
    await waitFor(() => performance.now() - startedAt > 2 * retryLimitMs && service.report.state === 'paused');
    await waitFor(() => {
      service.observe({ ...wish, isPaused: false }, performance.now());
      return service.report.state !== 'paused';
    });
    await waitFor(() => service.report.state === 'failed', { what: 'the end of its tries' });
    expect(service.report.error).toMatchObject({ code: 'SOURCE_UNREACHABLE' });
    expect(said.filter((text) => text === 'flow will be started again').length).toBeGreaterThan(0);
    expect(said.at(-1)).toBe('flow stopped');
    stop.abort();
    await running;
  });
});
