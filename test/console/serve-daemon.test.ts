import { expect, test } from 'vitest';
import { serveDaemon } from '../../src/cli/run/serve-daemon.ts';
import { nothingKnown } from '../../src/daemon/operators.ts';
import { ProjectFiles } from '../../src/daemon/project-files.ts';
import { silentLogger, type Logger } from '../../src/lib/logger.ts';
import { globalYaml } from '../cli/project-yaml.ts';
import { onEnd } from '../support/cleanup.ts';
import { createFolder } from '../support/daemon-process.ts';

/** What a daemon of this `http` says by the address of this machine; its store does not answer, which the document needs not. */
async function serve(http: string) {
  const folder = await createFolder({ 'conf/global.yml': `${globalYaml('mysql://nobody@127.0.0.1:1/kisflow')}http: ${http}\n` });
  const [conf, functions, connectors] = ['conf', 'functions', 'connectors'].map((name) => `${folder}/${name}`);
  const project = await new ProjectFiles({
    conf: conf ?? '',
    functions: functions ?? '',
    connectors: connectors ?? '',
    env: {},
  }).load();
  let url = '';
  const logger: Logger = { ...silentLogger, info: (fields) => void (url = String(Reflect.get(Object(fields), 'url'))) };
  const served = await serveDaemon({ isServed: true, project, readKnown: async () => nothingKnown, metrics: undefined, logger });
  onEnd(() => served.close());
  const local = url.replace('0.0.0.0', '127.0.0.1');
  return async (path: string, headers: Readonly<Record<string, string>> = {}): Promise<number> =>
    (await fetch(`${local}${path}`, { headers })).status;
}

test('a daemon that others reach and that has no token serves its health, and nothing of the API', async () => {
  const ask = await serve('{listen: "0.0.0.0:0"}');
  expect(await ask('/api/v1/openapi.json')).toBe(403);
  expect(await ask('/healthz')).not.toBe(403);
});

test('with a token it answers who sends that, and without one who is on this machine', async () => {
  const guarded = await serve('{listen: "0.0.0.0:0", token: sixteen-characters}');
  expect(await guarded('/api/v1/openapi.json')).toBe(401);
  expect(await guarded('/api/v1/openapi.json', { authorization: 'Bearer sixteen-characters' })).toBe(200);
  expect(await (await serve('{listen: ":0"}'))('/api/v1/openapi.json')).toBe(200);
});
