import { expect, test } from 'vitest';
import { assemble, type Assembly } from '../../src/daemon/assemble.ts';
import { connectorKinds } from '../../src/daemon/flow-options.ts';
import { globalYaml, load, mirrorYaml, sourceYaml } from '../config/conf-directory.ts';

async function assembled(files: Readonly<Record<string, string>>, previous?: Assembly): Promise<Assembly> {
  const configuration = await load({ 'g.yml': globalYaml, 's.yml': sourceYaml, ...files });
  const codeHashes = new Map<string, string>();
  const storeSources = new Set<string>();
  return assemble({
    configuration,
    functions: [],
    kinds: connectorKinds,
    codeHashes,
    storeDatabase: 'kisflow',
    storeSources,
    previous,
  });
}

test('a flow of whose table another one comes to write, or writes no more, is another version: what is repaired there has changed', async () => {
  const a = { 'a.yml': mirrorYaml({ flow: 'a', tables: 'shop.orders', key: 'orders', params: 'columns: x' }) };
  const b = { 'b.yml': mirrorYaml({ flow: 'b', tables: 'shop.orders', key: 'orders', params: 'columns: y' }) };
  const elsewhere = { 'c.yml': mirrorYaml({ flow: 'c', tables: 'shop.orders', key: 'copies' }) };
  const alone = await assembled(a);
  const beside = await assembled({ ...a, ...elsewhere }, alone);
  const common = await assembled({ ...a, ...elsewhere, ...b }, beside);
  const again = await assembled(a, common);
  const sharedOf = ({ flows }: Assembly): unknown => [...(flows[0]?.inShadow('kisflow_kis_000000000000').shared ?? [])];
  expect([alone, beside, common, again].map(sharedOf)).toEqual([[], [], [['orders', 'b']], []]);
  expect(beside.flows[0]).toBe(alone.flows[0]);
  expect(common.flows[0]?.fingerprint).not.toBe(alone.flows[0]?.fingerprint);
  expect(again.flows[0]?.fingerprint).toBe(alone.flows[0]?.fingerprint);
});
