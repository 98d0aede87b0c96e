import { defineConnectorCall, defineConnectorInit, type ConnectorHandle } from 'kisflow';
import { z } from 'zod';

/** Stands for the client of a server. */
class ScoreClient {
  readonly #scores = new Map<string, number>();

  async set(key: string, score: number): Promise<void> {
    this.#scores.set(key, score);
  }

  async get(key: string): Promise<number> {
    const score = this.#scores.get(key);
    if (score === undefined) throw new Error(`there is no score at ${key}`);
    return score;
  }
}

/** Opens the connector: once, whichever flow comes first. */
export const openScoreCache = defineConnectorInit({
  connector: 'Score12Cache',
  init(connector) {
    console.log(`open ${connector.name}`);
    connector.metadata.set('client', new ScoreClient());
  },
  close(connector) {
    console.log(`close ${connector.name}`);
  },
});

/** What SaveScoreAvg12 does when it calls the connector. */
export const saveScores = defineConnectorCall({
  connector: 'Score12Cache',
  function: 'SaveScoreAvg12',
  mode: 'Save',
  async call(_flow, connector, rows) {
    for (const row of z.array(z.object({ stu_id: z.number(), avg_score: z.number() })).parse(rows)) {
      await clientOf(connector).set(`${connector.key}${row.stu_id}`, row.avg_score);
    }
  },
});

/** What LoadScoreAvg12 does when it calls it: gives the score of a student. */
export const loadScore = defineConnectorCall({
  connector: 'Score12Cache',
  function: 'LoadScoreAvg12',
  mode: 'Load',
  call: (_flow, connector, id) => clientOf(connector).get(`${connector.key}${String(id)}`),
});

function clientOf(connector: ConnectorHandle): ScoreClient {
  const client = connector.metadata.get('client');
  if (client instanceof ScoreClient) return client;
  throw new Error(`connector ${connector.name} is not open`);
}
