import { describe, expect, test } from 'vitest';
import { formatProblem } from '../../src/config/problem.ts';
import { globalYaml, load, mirrorYaml, problemsOf, sourceYaml } from './conf-directory.ts';

const base = { 'g.yml': globalYaml, 's.yml': sourceYaml };

function mending(yaml: string, start = 'snapshot'): string {
  return yaml.replace('start: earliest', `start: ${start}, on_purged: snapshot`);
}

const mirror = mirrorYaml({ flow: 'a', tables: 'shop.orders', key: 'orders' });
const lookup =
  'kistype: func\nfname: find\nfmode: Load\noption: {cname: found}\n---\nkistype: conn\ncname: found\ntype: redis\naddrs: redis://127.0.0.1:6379\nkey: rates\n';
const withLookup = mending(mirror).replace('flows: [', 'flows: [{fname: find}, ');

describe('on_purged: snapshot', () => {
  test('is for a flow that can be rebuilt, beside others, and with what it only loads elsewhere', async () => {
    const other = mirrorYaml({ flow: 'b', tables: 'shop.orders', key: 'copies' });
    const configuration = await load({ ...base, 'a.yml': withLookup, 'b.yml': other, 'l.yml': lookup });
    expect(configuration.flows.get('a')?.source?.on_purged).toBe('snapshot');
  });

  test.each([
    [
      'begins elsewhere than with a snapshot',
      { 'a.yml': mending(mirror, 'latest') },
      'its start is latest: its tables hold what has changed from there on, and a snapshot would make them hold every row; write start: snapshot, or stop',
    ],
    [
      'writes outside the store',
      { 'a.yml': mending(mirror).replace('type: mysql', 'type: redis').replace('addrs: store', 'addrs: redis://127.0.0.1:6379') },
      'save_a uses conn_a, which is outside the store, and what is written there cannot be swapped; write stop',
    ],
    [
      'may write outside the store, in the code of a Load',
      { 'a.yml': withLookup, 'l.yml': lookup },
      'find is code that uses found, which is outside the store, and what is written there cannot be swapped; write stop',
    ],
    [
      'shares a table',
      {
        'a.yml': mending(mirrorYaml({ flow: 'a', tables: 'shop.orders', key: 'orders', params: 'columns: x' })),
        'b.yml': mirrorYaml({ flow: 'b', tables: 'shop.orders', key: 'orders', params: 'columns: y' }),
      },
      'the flow b writes orders too, and what it has written there would be lost; kisflow verify a --repair mends the columns that a owns there; write stop',
    ],
    [
      'feeds another flow through its table',
      { 'a.yml': mending(mirror), 'b.yml': mirrorYaml({ flow: 'b', tables: 'kisflow.orders', key: 'copies' }) },
      'the flow b reads kisflow.orders, and would not be told which rows of it differ; write stop',
    ],
    [
      'is not run now, and could not',
      { 'a.yml': mending(mirrorYaml({ flow: 'a', tables: 'shop.orders', key: 'report.orders', status: 0 })) },
      "the key of conn_a names a database (report.orders); write the table's name alone, so that it is found in the shadow as well; write stop",
    ],
  ])('is refused for a flow that %s', async (_what, files, why) => {
    const problems = await problemsOf({ ...base, ...files }, { functionNames: new Set(['find']) });
    expect(problems.map(formatProblem)).toEqual([`a.yml:4: source.on_purged: is snapshot, and ${why}`]);
  });
});
