import { abort, defineFunction, forceNext, reuse } from 'kisflow';

export default defineFunction({
  name: 'VerifyStu',
  run(flow, rows) {
    console.log(`VerifyStu: ${rows.length} rows`);
    const isValid = rows.every((row) => Number(row.stu_id) >= 0 && Number(row.stu_id) <= 999);
    // Valid: the input goes on as it is, even an empty one. Else the run ends here.
    if (isValid) flow.next(reuse(), forceNext());
    else flow.next(abort());
  },
});
