import { defineFunction, jump } from 'kisflow';
import { z } from 'zod';

export default defineFunction({
  name: 'PrintStuAvgScore',
  input: z.object({ stu_id: z.number(), avg_score: z.number() }),
  run(flow, rows) {
    for (const row of rows) console.log(`stuid: [${row.stu_id}], avg score: [${row.avg_score}]`);
    // Once more from AvgStuScore, with the rows that it received.
    if (flow.metadata.has('again')) return;
    flow.metadata.set('again', true);
    flow.next(jump('AvgStuScore'));
  },
});
