import { expect, it } from 'vitest';
import { waitFor } from './wait-for.ts';
import { createFolder, startCommand } from './daemon-process.ts';

it('command lines of one host have folder, environment, words and code of their own', async () => {
  const conf = 'kistype: global\nstore: {url: "mysql://127.0.0.1:1/${NAME}"}\n';
  const here = await createFolder({ 'conf/a.yml': conf });
  const there = await createFolder({ 'conf/a.yml': conf.replace('${NAME}', '${NAME:-}${OTHER_NAME}') });
  const unknown = await startCommand(['statsu'], { cwd: here });
  expect(await unknown.waitForExit()).toEqual({ code: 2, signal: null });
  expect(unknown.stderr).toEqual(['kisflow: unknown command "statsu"; did you mean "status"?. `kisflow help` lists them.']);
  const help = await startCommand(['help'], { cwd: there });
  expect(await help.waitForExit()).toEqual({ code: 0, signal: null });
  expect([help.pid, help.stderr, help.stdout[0]]).toEqual([unknown.pid, [], expect.stringContaining('kisflow keeps')]);
  expect(unknown.stdout).toEqual([]);
  for (const [cwd, variable] of [
    [here, 'NAME'],
    [there, 'OTHER_NAME'],
    [here, 'NAME'],
  ] as const) {
    const other = variable === 'NAME' ? 'OTHER_NAME' : 'NAME';
    const missing = await startCommand(['status'], { cwd, env: { [other]: 'x' } });
    expect((await missing.waitForExit()).code).toBe(78);
    expect(missing.stderr.join('\n')).toContain(variable);
    expect(missing.pid).toBe(unknown.pid);
  }
});

it('a host that is killed is not used again, and two command lines at once have two', async () => {
  const killed = await startCommand(['help']);
  killed.kill('SIGKILL');
  expect(await killed.waitForExit()).toEqual({ code: null, signal: 'SIGKILL' });
  const both = [await startCommand(['help']), await startCommand(['help'])];
  for (const one of both) expect((await one.waitForExit()).code).toBe(0);
  expect(new Set([killed, ...both].map(({ pid }) => pid)).size).toBe(3);
  const [first] = both;
  first?.kill('SIGKILL'); // it has ended: its process is not its own any more
  const next = [await startCommand(['help']), await startCommand(['help'])];
  await waitFor(async () => (await Promise.all(next.map((one) => one.waitForExit()))).every(({ code }) => code === 0));
  expect(new Set([...both, ...next].map(({ pid }) => pid)).size).toBe(2);
});
