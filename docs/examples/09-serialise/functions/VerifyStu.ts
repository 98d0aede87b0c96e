import { defineFunction } from 'kisflow';
import { z } from 'zod';

/** Rows come as `stu_id,score_1,score_2,score_3`; what is no such line is ROW_INVALID. */
function decodeLine(row: unknown): unknown {
  const [stu_id, score_1, score_2, score_3] = z.string().parse(row).split(',').map(Number);
  return { stu_id, score_1, score_2, score_3 };
}

export default defineFunction({
  name: 'VerifyStu',
  serialize: { decode: decodeLine, encode: (row) => JSON.stringify(row) },
  input: z.object({ stu_id: z.number(), score_1: z.number(), score_2: z.number(), score_3: z.number() }),
  run(flow, rows) {
    for (const row of rows) if (row.stu_id >= 0 && row.stu_id <= 999) flow.commitRow(row);
  },
});
