import { defineFunction } from 'kisflow';

export default defineFunction({
  name: 'VerifyStu',
  run(flow, rows) {
    flow.logger.info({ school: flow.param('school'), country: flow.param('country') }, 'verify');
    for (const row of rows) {
      if (Number(row.stu_id) >= 0 && Number(row.stu_id) <= 999) flow.commitRow(row);
      else flow.logger.debug({ stu_id: row.stu_id }, 'not a student');
    }
  },
});
