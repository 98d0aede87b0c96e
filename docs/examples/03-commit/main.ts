import { loadProject } from 'kisflow';

const project = await loadProject({ conf: 'conf', functions: 'functions' });
const flow = project.getFlow('CalStuAvgScore');

// One row: JSON text of an object, or the object.
flow.commitRow('{"stu_id":101, "score_1":100, "score_2":90, "score_3":80}');
flow.commitRow({ stu_id: 102, score_1: 100, score_2: 70, score_3: 60 });

// A batch of either, or of both.
flow.commitRowBatch([
  '{"stu_id":103, "score_1":100, "score_2":90, "score_3":80}',
  '{"stu_id":104, "score_1":100, "score_2":70, "score_3":60}',
  '{"stu_id":105, "score_1":80, "score_2":50, "score_3":50}',
]);
flow.commitRow({ stu_id: 106, score_1: 80, score_2: 81, score_3: 82 });
flow.commitRowBatch([
  { stu_id: 107, score_1: 82, score_2: 83, score_3: 84 },
  { stu_id: 108, score_1: 82, score_2: 83, score_3: 84 },
  { stu_id: 109, score_1: 82, score_2: 83, score_3: 84 },
]);

// The same object may be committed twice: it is two rows.
const twice = { stu_id: 110, score_1: 82, score_2: 83, score_3: 84 };
flow.commitRowBatch([twice, twice]);
await flow.run();
await project.close();
