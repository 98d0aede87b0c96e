import { defineFunction } from 'kisflow';
import { z } from 'zod';

export default defineFunction({
  name: 'AvgStuScore3',
  input: z.object({ stu_id: z.number(), score_3: z.number(), avg_score_1_2: z.number() }),
  run(flow, rows) {
    for (const row of rows) flow.commitRow({ stu_id: row.stu_id, avg_score: (row.score_3 + row.avg_score_1_2 * 2) / 3 });
  },
});
