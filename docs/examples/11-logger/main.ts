import { loadProject } from 'kisflow';
import { MyLogger } from './my-logger.ts';

const project = await loadProject({ conf: 'conf', functions: 'functions', logger: new MyLogger(true) });
const flow = project.getFlow('CalStuAvgScore');
flow.commitRow('{"stu_id":101, "score_1":100, "score_2":90, "score_3":80}');
flow.commitRow('{"stu_id":1001, "score_1":100, "score_2":70, "score_3":60}');
await flow.run();
await project.close();
