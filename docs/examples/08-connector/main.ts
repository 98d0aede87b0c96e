import { loadProject } from 'kisflow';
import { loadScore, openScoreCache, saveScores } from './score-cache.ts';

const project = await loadProject({
  conf: 'conf',
  functions: 'functions',
  connectorInits: [openScoreCache],
  connectorCalls: [saveScores, loadScore],
});

const flow12 = project.getFlow('CalStuAvgScore12');
flow12.commitRow('{"stu_id":101, "score_1":100, "score_2":90}');
flow12.commitRow('{"stu_id":102, "score_1":100, "score_2":80}');
await flow12.run();

const flow3 = project.getFlow('CalStuAvgScore3');
flow3.commitRow('{"stu_id":101, "score_3":80}');
flow3.commitRow('{"stu_id":102, "score_3":70}');
await flow3.run();
await project.close();
