import { defineFunction, reuse } from 'kisflow';
import { z } from 'zod';

/** Logs the first averages of each batch (`rows` says how many; see them with --log-level debug) and passes all of them on. */
export default defineFunction({
  name: 'PrintStuAvgScore',
  input: z.object({ stu_id: z.number(), avg_score: z.number() }),
  run(flow, rows) {
    for (const { stu_id, avg_score } of rows.slice(0, Number(flow.param('rows')))) {
      flow.logger.debug({ stu_id, avg_score }, 'average');
    }
    flow.next(reuse());
  },
});
