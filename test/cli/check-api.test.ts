import { expect, test } from 'vitest';
import { examine } from './examine.ts';
import { globalYaml, sourceYaml } from './project-yaml.ts';

const nowhere = 'mysql://nobody@127.0.0.1:1/kisflow';

/** What check says of the HTTP API; the servers do not answer, which hides nothing of it. */
async function saysOf(http: string): Promise<readonly string[]> {
  const files = { 'conf/global.yml': `${globalYaml(nowhere)}http: ${http}\n`, 'conf/source.yml': sourceYaml(nowhere) };
  const { findings } = await examine({ files });
  return findings
    .filter(({ code }) => code.startsWith('API_'))
    .map(({ code, severity, message }) => `${severity} ${code}: ${message}`);
}

test.each<[string, string, RegExp | undefined]>([
  ['nothing of one for this machine without a token', '{listen: "127.0.0.1:8060"}', undefined],
  ['nothing of one for this machine that names no host', '{listen: ":8060"}', undefined],
  ['nothing of one for this machine with a token', '{listen: "[::1]:8060", token: sixteen-characters}', undefined],
  [
    'that it is off where others reach it and no token is configured',
    '{listen: "0.0.0.0:8060"}',
    /^info API_OFF: .*no http\.token/,
  ],
  ['likewise by a name', '{listen: "kisflow.example:8060"}', /^info API_OFF: /],
  [
    'that its token can be read where others reach it',
    '{listen: "0.0.0.0:8060", token: sixteen-characters}',
    /^info API_EXPOSED: .*no TLS/,
  ],
])('check says of the HTTP API %s', async (_what, http, says) => {
  const said = await saysOf(http);
  if (says === undefined) expect(said).toEqual([]);
  else expect(said).toEqual([expect.stringMatching(says)]);
});
