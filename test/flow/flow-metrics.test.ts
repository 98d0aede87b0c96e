import { describe, expect, test } from 'vitest';
import { FlowMetrics } from '../../src/flow/flow-metrics.ts';
import type { Flow, RunObserver } from '../../src/flow/contract.ts';
import { jump, reuse } from '../../src/flow/actions.ts';
import { runFlow } from '../../src/flow/runner.ts';
import { makeMemory, makeScope, makeStep } from './scope.ts';

/** The samples of a text as Prometheus reads it, without their help. */
async function samplesOf(metrics: FlowMetrics): Promise<Record<string, number>> {
  const lines = (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line): [string, number] => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

const pass = makeStep('Pass', (flow, rows) => flow.commitRowBatch(rows));

describe('metrics under KisFlow’s names', () => {
  test('names, types, labels and buckets are KisFlow’s', async () => {
    const metrics = new FlowMetrics();
    await runFlow({ name: 'f', isEnabled: true, steps: [pass] }, [1, 2], makeScope(), { observer: metrics });
    const text = await metrics.text();
    expect(text.match(/^# TYPE .*/gm)).toEqual([
      '# TYPE kisflow_data_total counter',
      '# TYPE flow_data_total gauge',
      '# TYPE flow_schedule_cnts gauge',
      '# TYPE func_schedule_cnts gauge',
      '# TYPE func_run_duration histogram',
      '# TYPE flow_run_duration histogram',
    ]);
    const samples = await samplesOf(metrics);
    expect(samples).toMatchObject({
      kisflow_data_total: 2,
      'flow_data_total{flow_name="f"}': 2,
      'flow_schedule_cnts{flow_name="f"}': 1,
      'func_schedule_cnts{func_name="Pass",func_mode="Calculate"}': 1,
      'func_run_duration_count{func_name="Pass",func_mode="Calculate"}': 1,
      'flow_run_duration_count{flow_name="f"}': 1,
    });
    const buckets = (name: string): string[] =>
      Object.keys(samples).flatMap((sample) =>
        sample.startsWith(`${name}_bucket`) ? [/le="([^"]+)"/.exec(sample)?.[1] ?? ''] : [],
      );
    const common = ['0.005', '0.01', '0.03', '0.08', '0.1', '0.5', '1', '5', '10', '100', '1000', '5000', '30000'];
    expect(buckets('func_run_duration')).toEqual([...common, '+Inf']);
    expect(buckets('flow_run_duration')).toEqual([...common, '60000', '+Inf']);
  });

  test('a flow’s id is a label where it has one', async () => {
    const metrics = new FlowMetrics();
    await runFlow({ name: 'f', id: 'flow-17', isEnabled: true, steps: [pass] }, [1], makeScope(), { observer: metrics });
    expect(await samplesOf(metrics)).toMatchObject({ 'flow_data_total{flow_name="f",flow_id="flow-17"}': 1 });
  });

  test('a run that fails counts as begun: its rows and calls, and not its time', async () => {
    const metrics = new FlowMetrics();
    const fail = makeStep('Fail', () => {
      throw new Error('no');
    });
    await expect(
      runFlow({ name: 'f', isEnabled: true, steps: [pass, fail] }, [1], makeScope(), { observer: metrics }),
    ).rejects.toThrow('no');
    const samples = await samplesOf(metrics);
    expect(samples).toMatchObject({ kisflow_data_total: 1, 'flow_schedule_cnts{flow_name="f"}': 1 });
    expect(samples['func_schedule_cnts{func_name="Fail",func_mode="Calculate"}']).toBe(1);
    expect(samples['func_run_duration_count{func_name="Pass",func_mode="Calculate"}']).toBe(1);
    expect(samples['func_run_duration_count{func_name="Fail",func_mode="Calculate"}']).toBeUndefined();
    expect(samples['flow_run_duration_count{flow_name="f"}']).toBeUndefined();
  });

  test('a disabled flow counts nothing', async () => {
    const metrics = new FlowMetrics();
    await runFlow({ name: 'f', isEnabled: false, steps: [pass] }, [1], makeScope(), { observer: metrics });
    expect(await samplesOf(metrics)).toEqual({ kisflow_data_total: 0 });
  });
});

describe('what an observer is told', () => {
  function record(): { readonly observer: RunObserver; readonly told: string[] } {
    const told: string[] = [];
    const observer: RunObserver = {
      runBegan: (flow, rows) => told.push(`run ${flow.name} ${rows}`),
      stepBegan: (_flow, step) => told.push(`> ${step.fname}`),
      stepEnded: (_flow, step, ms) => told.push(`< ${step.fname}${ms >= 0 ? '' : ' before it began'}`),
      runEnded: () => told.push('end'),
    };
    return { observer, told };
  }

  const flowOf = (...steps: Flow['steps']): Flow => ({ name: 'f', isEnabled: true, steps });

  test('each call is told once, in order: synchronous, waiting, jumped to, and of a connector without code', async () => {
    const { observer, told } = record();
    let jumps = 0;
    const flow = flowOf(
      pass,
      makeStep('Wait', async (context, rows) => {
        await Promise.resolve();
        context.commitRowBatch(rows);
        jumps += 1;
        context.next(...(jumps === 1 ? [jump('Pass')] : [reuse()]));
      }),
      makeStep('Store', undefined, { mode: 'Save', connector: makeMemory() }),
    );
    await runFlow(flow, [{ id: 1 }], makeScope(), { observer });
    expect(told).toEqual([
      'run f 1',
      '> Pass',
      '< Pass',
      '> Wait',
      '< Wait',
      '> Pass',
      '< Pass',
      '> Wait',
      '< Wait',
      '> Store',
      '< Store',
      'end',
    ]);
  });

  test('a function that is tried again is one call, and its time holds all its tries', async () => {
    const { told, observer } = record();
    let tries = 0;
    let ms = 0;
    const flaky = makeStep(
      'Flaky',
      (context) => {
        tries += 1;
        if (tries < 3) throw new Error('not yet');
        context.commitRow(1);
      },
      { retryTimes: 3, retryDelayMs: 10 },
    );
    await runFlow(flowOf(flaky), [1], makeScope(), { observer: { ...observer, stepEnded: (_flow, _step, took) => (ms = took) } });
    expect(told).toEqual(['run f 1', '> Flaky', 'end']);
    expect(ms).toBeGreaterThanOrEqual(29);
  });
});
