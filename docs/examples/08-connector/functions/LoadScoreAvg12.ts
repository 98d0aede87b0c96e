import { defineFunction } from 'kisflow';
import { z } from 'zod';

export default defineFunction({
  name: 'LoadScoreAvg12',
  input: z.object({ stu_id: z.number(), score_3: z.number() }),
  callsConnector: true,
  async run(flow, rows) {
    for (const row of rows) flow.commitRow({ ...row, avg_score_1_2: await flow.getConnector().call(row.stu_id) });
  },
});
