import { defineFunction } from 'kisflow';
import { z } from 'zod';

const score = z.object({ stu_id: z.number(), score_1: z.number(), score_2: z.number(), score_3: z.number() });

export const verifyStu = defineFunction({
  name: 'VerifyStu',
  input: score,
  run(flow, rows) {
    console.log(`VerifyStu: school = ${flow.param('school')}, country = ${flow.param('country')}`);
    for (const row of rows) if (row.stu_id >= 0 && row.stu_id <= 999) flow.commitRow(row);
  },
});

export const avgStuScore = defineFunction({
  name: 'AvgStuScore',
  input: score,
  run(flow, rows) {
    for (const row of rows) {
      flow.commitRow({ stu_id: row.stu_id, avg_score: (row.score_1 + row.score_2 + row.score_3) / 3 });
    }
  },
});

export const printStuAvgScore = defineFunction({
  name: 'PrintStuAvgScore',
  input: z.object({ stu_id: z.number(), avg_score: z.number() }),
  run(_flow, rows) {
    for (const row of rows) console.log(`stuid: [${row.stu_id}], avg score: [${row.avg_score}]`);
  },
});
