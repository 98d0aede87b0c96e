import { describe, expect, test } from 'vitest';
import { makeMemoryConnector } from '../../src/connector/memory.ts';
import { builtInKinds, makeConnector } from '../../src/connector/registry.ts';
import { CodedError } from '../../src/lib/error.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { connectorLaws } from './laws.ts';

const scope = { id: 'b', flow: 'f', store: null, signal: new AbortController().signal, logger: silentLogger };

connectorLaws('memory', {
  hasColumns: false,
  async makeTable({ keyColumns, mode }) {
    const params = { primary_key: keyColumns.join(', '), ...(mode === undefined ? {} : { mode }) };
    const connector = makeMemoryConnector({ name: 't', type: 'memory', addrs: '', key: '', params });
    await connector.open();
    return {
      inBatch: (work) => work(connector.session(scope)),
      rows: async () => connector.rows(),
      close: () => connector.close(),
    };
  },
});

describe('memory', () => {
  const options = { name: 't', type: 'memory', addrs: '', key: '', params: {} };

  test('the snapshot is a copy, ordered by key', async () => {
    const connector = makeMemoryConnector(options);
    await connector.session(scope).save([{ id: 10 }, { id: 9 }, { id: 'b' }, { id: 'a' }]);
    const rows = connector.rows();
    expect(rows.map((row) => row.id)).toEqual([9, 10, 'a', 'b']);
    for (const row of rows) row.name = 'changed';
    expect(connector.rows()[0]).toEqual({ id: 9 });
  });

  test('it has no query language', async () => {
    await expect(makeMemoryConnector(options).session(scope).query('select 1')).rejects.toMatchObject({ code: 'CONNECTOR_FAILED' });
  });

  test('a mode that is none is CONFIG_INVALID', () => {
    expect(() => makeMemoryConnector({ ...options, params: { mode: 'replace' } })).toThrow(/write upsert, insert or update/);
  });
});

describe('connector kinds', () => {
  const options = { name: 't', type: 'memory', addrs: '', key: '', params: {} };

  test('a connector is made by its type name, built in or added', () => {
    expect(makeConnector(options).type).toBe('memory');
    const kinds = new Map([...builtInKinds, ['mine', makeMemoryConnector] as const]);
    expect(makeConnector({ ...options, type: 'mine' }, kinds).name).toBe('t');
  });

  test('an unknown type is CONFIG_INVALID and names the known ones', () => {
    expect(() => makeConnector({ ...options, type: 'mongo' })).toThrow(CodedError);
    expect(() => makeConnector({ ...options, type: 'mongo' })).toThrow(/type mongo is not known; known types are memory/);
  });
});
