import { abort, defineFunction, reuse } from 'kisflow';

export default defineFunction({
  name: 'VerifyStu',
  run(flow, rows) {
    const isValid = rows.every((row) => Number(row.stu_id) >= 0 && Number(row.stu_id) <= 999);
    flow.next(isValid ? reuse() : abort());
  },
});
