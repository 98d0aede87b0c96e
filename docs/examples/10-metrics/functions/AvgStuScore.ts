import { defineFunction } from 'kisflow';
import { z } from 'zod';

export default defineFunction({
  name: 'AvgStuScore',
  input: z.object({ stu_id: z.number(), score_1: z.number(), score_2: z.number(), score_3: z.number() }),
  run(flow, rows) {
    for (const row of rows) {
      flow.commitRow({ stu_id: row.stu_id, avg_score: (row.score_1 + row.score_2 + row.score_3) / 3 });
    }
  },
});
