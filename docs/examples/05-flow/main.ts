import { loadProject } from 'kisflow';
import { avgStuScore, printStuAvgScore, verifyStu } from './functions.ts';

const params = { school: 'TsingHua', country: 'China' };

const project = await loadProject({
  documents: [
    {
      kistype: 'flow',
      flow_name: 'CalStuAvgScore',
      flows: ['VerifyStu', 'AvgStuScore', 'PrintStuAvgScore'].map((fname) => ({ fname, params })),
    },
    { kistype: 'func', fname: 'VerifyStu', fmode: 'Verify' },
    { kistype: 'func', fname: 'AvgStuScore', fmode: 'Calculate' },
    { kistype: 'func', fname: 'PrintStuAvgScore', fmode: 'Expand' },
  ],
  functions: [verifyStu, avgStuScore, printStuAvgScore],
});

const flow = project.getFlow('CalStuAvgScore');
flow.commitRow('{"stu_id":101, "score_1":100, "score_2":90, "score_3":80}');
flow.commitRow('{"stu_id":1001, "score_1":100, "score_2":70, "score_3":60}');
await flow.run();

const fork = flow.fork();
fork.commitRow('{"stu_id":102, "score_1":100, "score_2":70, "score_3":60}');
await fork.run();

const { files } = await project.exportFlow('CalStuAvgScore', process.env.EXPORT_TO ?? 'exported');
console.log(files.map(({ name }) => name).join(' '));
await project.close();
