import { defineFunction } from 'kisflow';
import { z } from 'zod';

export default defineFunction({
  name: 'PrintStuAvgScore',
  input: z.object({ stu_id: z.number(), avg_score: z.number() }),
  run(flow, rows) {
    for (const row of rows) console.log(`${flow.flowName}: stuid: [${row.stu_id}], avg score: [${row.avg_score}]`);
  },
});
