import { loadProject } from 'kisflow';

const project = await loadProject({ conf: 'conf', functions: 'functions' });
const flow = project.getFlow('CalStuAvgScore');
const fork = flow.fork();

flow.commitRow('{"stu_id":101, "score_1":100, "score_2":90, "score_3":80}');
flow.commitRow('{"stu_id":1001, "score_1":100, "score_2":70, "score_3":60}');
const first = flow.run();

// The same flow again, while its first run is under way.
flow.commitRow('{"stu_id":301, "score_1":60, "score_2":60, "score_3":60}');
const second = flow.run();

fork.commitRow('{"stu_id":201, "score_1":100, "score_2":90, "score_3":80}');
fork.commitRow('{"stu_id":2001, "score_1":100, "score_2":70, "score_3":60}');

await Promise.all([first, second, fork.run()]);
console.log('All flows completed.');
await project.close();
