import { abort, defineFunction, reuse } from 'kisflow';
import { z } from 'zod';

/** One student that cannot be, and the run ends; else the rows go on as they came. */
export default defineFunction({
  name: 'VerifyStu',
  input: z.looseObject({ stu_id: z.number() }),
  run(flow, rows) {
    const isValid = rows.every((row) => row.stu_id >= 0 && row.stu_id <= 999);
    flow.next(isValid ? reuse() : abort());
  },
});
