import { defineFunction } from 'kisflow';
import { z } from 'zod';

/** Leaves out students that cannot be. */
export default defineFunction({
  name: 'VerifyStu',
  input: z.looseObject({ stu_id: z.number() }),
  run(flow, rows) {
    for (const row of rows) if (row.stu_id >= 0 && row.stu_id <= 999) flow.commitRow(row);
  },
});
