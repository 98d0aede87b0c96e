import { loadProject } from 'kisflow';

const project = await loadProject({ conf: 'conf', functions: 'functions' });
const flow = project.getFlow('CalStuAvgScore');
for (let times = 0; times < 3; times += 1) await flow.run();
await project.close();
