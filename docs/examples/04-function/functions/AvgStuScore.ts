import { defineFunction } from 'kisflow';

export default defineFunction({
  name: 'AvgStuScore',
  run(flow) {
    console.log(
      `${flow.functionName} (${flow.functionMode}): school = ${flow.param('school')}, country = ${flow.param('country')}`,
    );
    const number = Number(flow.functionMetadata.get('number') ?? 0) + 1;
    flow.functionMetadata.set('number', number);
    console.log(`run ${number}`);
  },
});
