import { expect, test } from 'vitest';
import { pause } from '../../src/cli/pause.ts';
import { resume } from '../../src/cli/resume.ts';
import { CodedError } from '../../src/lib/error.ts';
import { eachServer } from '../support/servers.ts';
import { waitFor } from '../support/wait-for.ts';
import { globalYaml, mirrorYaml, sourceYaml } from './project-yaml.ts';
import { documentOf, runCommand } from './run-command.ts';
import { createStoredFlows, type StoredFlows } from './stored-flows.ts';

function project(storeUrl: string): Record<string, string> {
  return {
    'conf/global.yml': globalYaml(storeUrl),
    'conf/source.yml': sourceYaml('mysql://nobody@127.0.0.1:1'),
    'conf/flow.yml': mirrorYaml({ flow: 'mirror', tables: ['shop.*'], key: 'mirror' }),
  };
}

/** Does what the daemon does once an operator's wish is in the store. */
async function obey(
  { records }: StoredFlows,
  act: (wish: { isPaused: boolean; hasError: boolean }) => Promise<boolean>,
): Promise<void> {
  await waitFor(async () => {
    const wish = (await records.wishes()).get('mirror');
    return wish !== undefined && (await act(wish));
  });
}

eachServer((_flavour, server) => {
  test('pause waits for the daemon that holds the flow, and says where the flow holds', async () => {
    const flows = await createStoredFlows(server);
    await flows.hold('mirror');
    const daemon = obey(flows, async ({ isPaused }) => {
      if (isPaused) await flows.records.setState('mirror', 'paused');
      return isPaused;
    });
    const { code, out } = await runCommand(pause, { files: project(flows.url), positionals: ['mirror'] });
    await daemon;
    expect(code).toBe(0);
    expect(out).toBe('Flow mirror is paused at binlog.000007:1234.');
    expect((await runCommand(pause, { files: project(flows.url), positionals: ['mirror'] })).out).toContain('paused already');
  });

  test('pausing a flow that no daemon runs is kept for the next daemon', async () => {
    const flows = await createStoredFlows(server);
    const { out } = await runCommand(pause, { files: project(flows.url), positionals: ['mirror'] });
    expect(out).toContain('No daemon runs flow mirror now');
    expect((await flows.records.wishes()).get('mirror')?.isPaused).toBe(true);
  });

  test('resume of a failed flow says that it had failed and that it runs again', async () => {
    const flows = await createStoredFlows(server);
    await flows.hold('mirror');
    await flows.records.setState('mirror', 'failed', new CodedError('FUNCTION_FAILED', 'it threw'));
    const daemon = obey(flows, async ({ hasError }) => {
      if (!hasError) await flows.records.setState('mirror', 'running');
      return !hasError;
    });
    const { code, out } = await runCommand(resume, { files: project(flows.url), positionals: ['mirror'] });
    await daemon;
    expect(code).toBe(0);
    expect(out).toContain('Flow mirror runs from binlog.000007:1234. It had failed with FUNCTION_FAILED and is tried again.');
  });

  test('resume of a flow that fails again at once ends with exit 1 and the new error', async () => {
    const flows = await createStoredFlows(server);
    await flows.hold('mirror');
    await flows.records.setState('mirror', 'failed', new CodedError('FUNCTION_FAILED', 'it threw'));
    const daemon = obey(flows, async ({ hasError }) => {
      if (!hasError) await flows.records.setState('mirror', 'failed', new CodedError('FUNCTION_FAILED', 'it threw again'));
      return !hasError;
    });
    const outcome = await runCommand(resume, { files: project(flows.url), positionals: ['mirror'], json: true });
    await daemon;
    expect(outcome.code).toBe(1);
    expect(documentOf(outcome)).toMatchObject({ before: 'failed', state: 'failed', error: { message: 'it threw again' } });
  });

  test('resume of a flow whose daemon is gone says that it goes on when one starts', async () => {
    const flows = await createStoredFlows(server);
    const leases = await flows.hold('mirror');
    await leases.release({ flow: 'mirror', epoch: 1 });
    const { out } = await runCommand(resume, { files: project(flows.url), positionals: ['mirror'] });
    expect(out).toBe('No daemon runs flow mirror now. It goes on from binlog.000007:1234 when one starts.');
  });

  test('a flow that is rebuilt by itself is said to be: resumed it needs nothing, paused it pauses later', async () => {
    const flows = await createStoredFlows(server);
    await flows.hold('mirror');
    await flows.records.setState('mirror', 'rebuilding', new CodedError('SOURCE_PURGED', 'it is gone'));
    const [resumed, paused] = [resume, pause].map((command) =>
      runCommand(command, { files: project(flows.url), positionals: ['mirror'] }),
    );
    expect(await resumed).toMatchObject({
      code: 0,
      out: expect.stringMatching(/is rebuilt by itself: `kisflow runs` shows how far it is\.$/),
    });
    expect((await paused)?.out).toMatch(/is rebuilt by itself.* It pauses once it has its new tables\.$/);
  });

  test('a flow that nobody knows is refused, with the nearest name', async () => {
    const flows = await createStoredFlows(server);
    for (const command of [pause, resume]) {
      const run = runCommand(command, { files: project(flows.url), positionals: ['miror'] });
      await expect(run).rejects.toMatchObject({ code: 'NAME_UNKNOWN', message: expect.stringContaining('Did you mean "mirror"?') });
    }
  });
});
