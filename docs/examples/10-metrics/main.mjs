import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadProject } from 'kisflow';

const folder = (name) => fileURLToPath(new URL(name, import.meta.url));
const project = await loadProject({ conf: folder('conf'), functions: folder('functions') });
console.log(`metrics at ${project.metricsUrl}`);

const stop = new AbortController();
process.once('SIGINT', () => stop.abort()).once('SIGTERM', () => stop.abort());

const flow = project.getFlow('CalStuAvgScore');
for (let stuId = 100; !stop.signal.aborted; stuId += 1) {
  flow.commitRow(`{"stu_id":${stuId}, "score_1":100, "score_2":90, "score_3":80}`);
  await flow.run();
  await sleep(200, undefined, { signal: stop.signal }).catch(() => {});
}
await project.close();
