import { defineFunction } from 'kisflow';
import { z } from 'zod';

export default defineFunction({
  name: 'PrintStuAvgScore',
  input: z.object({ stu_id: z.number(), avg_score: z.number() }),
  run(_flow, rows) {
    for (const row of rows) console.log(`stuid: [${row.stu_id}], avg score: [${row.avg_score}]`);
  },
});
