import { fileURLToPath } from 'node:url';
import { loadProject } from 'kisflow';

const folder = (name) => fileURLToPath(new URL(name, import.meta.url));
const project = await loadProject({ conf: folder('conf'), functions: folder('functions') });

const flow12 = project.getFlow('CalStuAvgScore12');
flow12.commitRow('{"stu_id":101, "score_1":100, "score_2":90}');
flow12.commitRow('{"stu_id":102, "score_1":100, "score_2":80}');

const flow3 = project.getFlow('CalStuAvgScore3');
flow3.commitRow('{"stu_id":101, "score_3": 80}');
flow3.commitRow('{"stu_id":102, "score_3": 70}');

try {
  await Promise.all([flow12.run(), flow3.run()]);
} finally {
  await project.close();
}
