import { createFlow, defineFunction } from 'kisflow';
import { z } from 'zod';

const avgStuScore = defineFunction({
  name: 'AvgStuScore',
  input: z.object({ stu_id: z.number(), score_1: z.number(), score_2: z.number(), score_3: z.number() }),
  run(flow, rows) {
    for (const row of rows) {
      flow.commitRow({ stu_id: row.stu_id, avg_score: (row.score_1 + row.score_2 + row.score_3) / 3 });
    }
  },
});

const printStuAvgScore = defineFunction({
  name: 'PrintStuAvgScore',
  input: z.object({ stu_id: z.number(), avg_score: z.number() }),
  run(_flow, rows) {
    for (const row of rows) console.log(`stuid: [${row.stu_id}], avg score: [${row.avg_score}]`);
  },
});

const flow = createFlow({
  name: 'CalStuAvgScore',
  steps: [
    { fname: 'AvgStuScore', mode: 'Calculate' },
    { fname: 'PrintStuAvgScore', mode: 'Expand' },
  ],
  functions: [avgStuScore, printStuAvgScore],
});

flow.commitRow('{"stu_id":101, "score_1":100, "score_2":90, "score_3":80}');
flow.commitRow('{"stu_id":102, "score_1":100, "score_2":70, "score_3":60}');
await flow.run();
