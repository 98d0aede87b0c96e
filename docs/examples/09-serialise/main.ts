import { loadProject } from 'kisflow';

const project = await loadProject({ conf: 'conf', functions: 'functions' });
const flow = project.getFlow('CalStuAvgScore');
flow.commitRowBatch(['101,100,90,80', '1001,100,70,60']);
await flow.run();
await project.close();
