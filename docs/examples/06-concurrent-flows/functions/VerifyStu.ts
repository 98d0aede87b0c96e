import { setTimeout as sleep } from 'node:timers/promises';
import { defineFunction } from 'kisflow';

export default defineFunction({
  name: 'VerifyStu',
  async run(flow, rows) {
    flow.metadata.set('first', rows[0]?.stu_id);
    // Meanwhile the other runs go on.
    await sleep(20);
    for (const row of rows) if (Number(row.stu_id) >= 0 && Number(row.stu_id) <= 999) flow.commitRow(row);
  },
});
