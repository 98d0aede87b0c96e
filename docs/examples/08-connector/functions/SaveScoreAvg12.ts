import { defineFunction, reuse } from 'kisflow';

export default defineFunction({
  name: 'SaveScoreAvg12',
  callsConnector: true,
  async run(flow, rows) {
    await flow.getConnector().call(rows);
    flow.next(reuse());
  },
});
