import { createMysqlConnector } from '../../src/connector/mysql.ts';
import type { BatchScope } from '../../src/connector/contract.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { eachServer, createDatabase } from '../support/servers.ts';
import { connectorLaws, type LawTable, type LawTableOptions } from './laws.ts';

const batchOf = (store: BatchScope['store']): BatchScope => ({
  id: 'test:1',
  flow: 'test',
  store,
  signal: new AbortController().signal,
  logger: silentLogger,
});

async function createLawTable(store: Store, { keyColumns }: LawTableOptions): Promise<void> {
  const shop = keyColumns.length === 2 ? 'shop VARCHAR(20) NOT NULL, ' : '';
  await store.query(
    `CREATE TABLE law (${shop}id BIGINT NOT NULL, name VARCHAR(200) NULL, amount BIGINT NULL, price DECIMAL(12,2) NULL,
     body VARBINARY(200) NULL, PRIMARY KEY (${keyColumns.join(', ')}))`,
  );
}

const rowsOf = async (store: Store, { keyColumns }: LawTableOptions) =>
  (await store.query(`SELECT * FROM law ORDER BY ${keyColumns.join(', ')}`)).rows;

eachServer((flavour, server) => {
  connectorLaws(`mysql on the store (${flavour})`, {
    hasColumns: true,
    async makeTable(options): Promise<LawTable> {
      const store = await openStore({ url: (await createDatabase(server)).url });
      await createLawTable(store, options);
      const params = options.mode === undefined ? {} : { mode: options.mode };
      const connector = createMysqlConnector({ name: 'law', type: 'mysql', addrs: 'store', key: 'law', params });
      return {
        inBatch: (work) => store.transaction((transaction) => work(connector.session(batchOf(transaction)))),
        rows: () => rowsOf(store, options),
        close: () => store.close(),
      };
    },
  });

  /** In TiDB's words too, which its own servers would be told. */
  for (const type of flavour === 'mysql' ? ['mysql', 'tidb'] : ['mysql'])
    connectorLaws(`${type} at a url of its own (${flavour})`, {
      hasColumns: true,
      async makeTable(options): Promise<LawTable> {
        const { url } = await createDatabase(server);
        const store = await openStore({ url });
        await createLawTable(store, options);
        const params = options.mode === undefined ? {} : { mode: options.mode };
        const connector = createMysqlConnector({ name: 'law', type, addrs: url, key: 'law', params });
        await connector.open();
        return {
          inBatch: (work) => work(connector.session(batchOf(null))),
          rows: () => rowsOf(store, options),
          async close() {
            await connector.close();
            await store.close();
          },
        };
      },
    });
});
