import { fileURLToPath } from 'node:url';
import { loadProject } from 'kisflow';

const folder = (name) => fileURLToPath(new URL(name, import.meta.url));
const project = await loadProject({ conf: folder('conf'), functions: [], kinds: folder('connectors') });
const flow = project.getFlow('ExportStudents');
flow.commitRow({ stu_id: 101, name: 'Ada' });
flow.commitRow({ stu_id: 102, name: 'Blaise' });
await flow.run({ batchId: process.argv[2] });
await project.close();
