import { unknownName } from '../../config/unknown-name.ts';
import { makeFlowWish, outcomeDocument, type FlowWishKind } from '../../daemon/operate/flow-wish.ts';
import { pauseFlow, resumeFlow } from '../../daemon/operate/flow-wishes.ts';
import { documentOfRun } from '../../daemon/operate/run-document.ts';
import { readFlowStatus, type FlowStatus } from '../../daemon/operate/flow-status.ts';
import { readReloads } from '../../daemon/reload-record.ts';
import { defineOperation, type ApiContext, type Operation } from './operation.ts';
import { deadRowsCountedMax, flowListSchema, flowSchema, flowWishSchema } from './schemas.ts';

const counted = { deadRowsMax: deadRowsCountedMax } as const;

const listFlows = defineOperation({
  id: 'listFlows',
  method: 'GET',
  path: '/api/v1/flows',
  summary: 'Every flow that the daemon or the store knows, as `kisflow status --json` shows it, and the daemons of the store',
  answerName: 'FlowList',
  answer: flowListSchema,
  async run(_call, { configuration, openStore }) {
    const store = await openStore();
    const flows = await readFlowStatus(configuration, store, counted);
    return { flows: flows.map(flowDocument), daemons: await readReloads(store) };
  },
});

const getFlow = defineOperation({
  id: 'getFlow',
  method: 'GET',
  path: '/api/v1/flows/{flow}',
  summary: 'One flow',
  answerName: 'Flow',
  answer: flowSchema,
  async run({ path: { flow: name = '' } }, { configuration, openStore }) {
    const flows = await readFlowStatus(configuration, await openStore(), counted);
    const found = flows.find(({ flow }) => flow === name);
    if (found !== undefined) return flowDocument(found);
    const known = flows.map(({ flow }) => flow);
    throw unknownName('flow', name, known);
  },
});

const pause = defineOperation({
  id: 'pauseFlow',
  method: 'POST',
  path: '/api/v1/flows/{flow}/pause',
  summary:
    'Lets a flow commit what it has and hold there until it is resumed; waits up to 5 s for the daemon that holds it, whichever it is',
  answerName: 'FlowWish',
  answer: flowWishSchema,
  run: ({ path: { flow = '' } }, context) => wishFlow(context, flow, pauseFlow),
});

const resume = defineOperation({
  id: 'resumeFlow',
  method: 'POST',
  path: '/api/v1/flows/{flow}/resume',
  summary: 'Lets a paused flow go on, and a failed one try again, from its checkpoint; waits likewise',
  answerName: 'FlowWish',
  answer: flowWishSchema,
  run: ({ path: { flow = '' } }, context) => wishFlow(context, flow, resumeFlow),
});

/** Values of keys stay inside: of a run it is told how far it is. */
function flowDocument(flow: FlowStatus) {
  return { ...flow, runs: flow.runs.map(documentOfRun) };
}

async function wishFlow({ configuration, openStore, signal }: ApiContext, flow: string, wish: FlowWishKind) {
  const store = await openStore();
  return outcomeDocument(await makeFlowWish({ configuration, store, flow, wish, signal }), wish);
}

export const flowOperations: readonly Operation[] = [listFlows, getFlow, pause, resume];
