import { defineFunction } from 'kisflow';
import { z } from 'zod';

/** A hash holds texts: the number is read from one. */
const saved = z.object({ stu_id: z.number(), avg_score: z.coerce.number() });

export default defineFunction({
  name: 'LoadScoreAvg12',
  input: z.object({ stu_id: z.number(), score_3: z.number() }),
  async run(flow, rows) {
    const loaded = await flow.getConnector().load(rows.map(({ stu_id }) => ({ stu_id })));
    const averages = new Map(loaded.map((row) => saved.parse(row)).map((row) => [row.stu_id, row.avg_score]));
    for (const row of rows) {
      const average = averages.get(row.stu_id);
      if (average === undefined) throw new Error(`avg_score not found for student ${row.stu_id}`);
      flow.commitRow({ ...row, avg_score_1_2: average });
    }
  },
});
