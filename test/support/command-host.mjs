// Runs command lines of kisflow one after the other in one process, whose first argument is kisflow's main.js: most of what a
// short one costs is the loading of the code, which is done once here. It is told of each as a line of JSON on its stdin, and
// says behind the last word of each, on both streams, that it has ended. It ends with its stdin.
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const [, , main, endMark] = process.argv;
const own = { ...process.env };
const hasRunMs = 500;
let runs = 0;

process.stdout.setMaxListeners(0); // each command line guards them anew
process.stderr.setMaxListeners(0);

for await (const line of createInterface({ input: process.stdin })) {
  const code = await run(JSON.parse(line));
  const isClean = await hasEnded();
  for (const stream of [process.stdout, process.stderr]) stream.write(`${endMark} ${code} ${isClean ? 'clean' : 'unclean'}\n`);
  // what goes on would go on beside the next one
  if (!isClean) process.kill(process.pid, 'SIGKILL');
}

async function run({ cwd, env, args }) {
  process.chdir(cwd);
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, own, env);
  process.argv = [process.execPath, main, ...args];
  process.exitCode = undefined;
  process.exit = () => {}; // the last that it calls
  runs += 1;
  await import(`${pathToFileURL(main).href}?${runs}`);
  return process.exitCode ?? 0;
}

/** Whether no connection, timer or thread of it is left: sockets are closed a moment after they are left. */
async function hasEnded() {
  for (const deadline = Date.now() + hasRunMs; ; await delay(2)) {
    if (!process.getActiveResourcesInfo().some((name) => /TCP|TLS|Timeout|MessagePort|Worker/.test(name))) return true;
    if (Date.now() > deadline) return false;
  }
}
