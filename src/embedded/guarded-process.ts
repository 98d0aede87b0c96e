import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { ServerError } from './server-error.ts';

/**
 * A process that does not outlive its owner, whatever ends the owner: kill -9 included.
 *
 *   owner (Node) ──stdin pipe──> guardian (sh) ──> the server
 *
 * The guardian stands in a session of its own, so that a Ctrl-C in the terminal reaches the owner alone. The kernel
 * closes the owner's end of the pipe when the owner dies; the guardian then kills the server and removes its folder.
 * On its stdout the guardian says `pid N` and, when the server has ended by itself, `exit N`.
 */
export interface GuardedProcess {
  /** The server's process, not the guardian's. */
  readonly pid: number;
  /** Resolves when the server has ended: its exit code, 128 + the signal's number if a signal ended it. */
  untilExit(): Promise<number>;
  /** False once the server has ended. */
  isRunning(): boolean;
  /** Sends a signal to the server; nothing when it has ended. */
  signal(name: NodeJS.Signals): void;
  /** Lets go: kills what still runs and, when `removeDir` was given and `keep` is not, removes it. */
  release(options?: { readonly keep?: boolean }): Promise<void>;
}

export interface GuardOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** What the server reads on its stdin; nothing when left out. */
  readonly inputFile?: string;
  /** Gets the server's stdout and stderr. */
  readonly logFile: string;
  /** Removed when the owner dies or lets go. */
  readonly removeDir?: string;
}

// The watcher sits in a second shell because `read` and `wait` cannot be waited for together. It repeats its signal:
// the first could arrive just before the `wait` that it is to interrupt. The guardian itself kills the server, and
// only while the server is its own child not yet waited for: the process id cannot have gone to another.
const GUARDIAN = String.raw`
dir=$1 log=$2 input=$3
shift 3
exec 3<&0
trap '' PIPE INT HUP TERM
gone=
trap 'gone=1' USR1
trap 'dir=' USR2
"$@" <"$input" >>"$log" 2>&1 3<&- &
server=$!
echo "pid $server"
(
  trap - USR1
  word=
  while read -r line <&3; do word=$line; done
  [ "$word" = keep ] && kill -USR2 $$ 2>/dev/null
  while kill -USR1 $$ 2>/dev/null; do sleep 0.1; done
) >/dev/null 2>&1 &
watcher=$!
code=
while [ -z "$gone" ] && [ -z "$code" ]; do
  wait $server
  status=$?
  [ -n "$gone" ] || kill -0 $server 2>/dev/null || code=$status
done
if [ -z "$code" ]; then
  kill -KILL $server 2>/dev/null
  while kill -0 $server 2>/dev/null; do wait $server; done
else
  echo "exit $code" 2>/dev/null
  while [ -z "$gone" ]; do wait $watcher; done
fi
exec >/dev/null 2>&1
[ -z "$dir" ] || rm -rf "$dir"
`;

/** Starts it. Rejects when the guardian cannot even be started; a server that fails at once shows in `untilExit`. */
export async function startGuarded(options: GuardOptions): Promise<GuardedProcess> {
  const { command, args, cwd, inputFile = '/dev/null', logFile, removeDir = '' } = options;
  const guardianArgs = ['-c', GUARDIAN, 'kisflow-guardian', removeDir, logFile, inputFile];
  const guardian = spawn('/bin/sh', [...guardianArgs, command, ...args], {
    cwd,
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const gone = once(guardian, 'exit');
  const { pid, exited } = await awake(listen(guardian, command));
  let running = true;
  void exited.then(() => (running = false));
  return {
    pid,
    untilExit: () => awake(exited),
    isRunning: () => running,
    signal(name) {
      if (running) process.kill(pid, name);
    },
    async release({ keep = false } = {}) {
      if (keep) guardian.stdin?.write('keep\n');
      guardian.stdin?.end();
      await awake(gone);
    },
  };
}

/** Waits for a guardian, which does not keep the owner's event loop alive by itself. */
async function awake<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => undefined, 60_000);
  try {
    return await promise;
  } finally {
    clearInterval(timer);
  }
}

function listen(guardian: ChildProcess, command: string): Promise<{ pid: number; exited: Promise<number> }> {
  const { stdin, stdout } = guardian;
  if (stdin === null || stdout === null) throw new ServerError('SERVER_FAILED', 'the guardian has no pipes');
  stdin.on('error', () => undefined); // the guardian has ended: `untilExit` tells
  // The owner may end without a thought for its servers: they end with it.
  for (const handle of [guardian, stdin, stdout]) {
    if ('unref' in handle && typeof handle.unref === 'function') handle.unref();
  }
  return new Promise((resolve, reject) => {
    let end: (code: number) => void = () => undefined;
    const exited = new Promise<number>((settle) => (end = settle));
    guardian.once('error', (cause) => {
      reject(new ServerError('SERVER_FAILED', `could not start /bin/sh to guard ${command}`, { cause }));
    });
    guardian.once('exit', (code) => {
      end(code ?? -1);
      reject(new ServerError('SERVER_FAILED', `the guardian of ${command} ended at once with code ${code}`));
    });
    createInterface({ input: stdout }).on('line', (line) => {
      const [word, number] = line.split(' ');
      if (word === 'pid') resolve({ pid: Number(number), exited });
      if (word === 'exit') end(Number(number));
    });
  });
}
