import { connect } from 'node:net';

const TIMEOUT_MS = 5_000;

/** What a Redis says about itself, by a login: its INFO is read as text, which needs no client. */
export async function askRedis(login: {
  readonly host: string;
  readonly port: number;
  readonly user?: string;
  readonly password: string;
}): Promise<{ readonly version: string; readonly processId: number }> {
  const { user, password } = login;
  const auth = password === '' ? '' : `AUTH ${user ? `${user} ` : ''}${password}\r\n`;
  const said = await exchange(login, `${auth}INFO server\r\nQUIT\r\n`);
  const version = /^(?:redis|valkey)_version:(\S+)/m.exec(said)?.[1];
  const processId = Number(/^process_id:(\d+)/m.exec(said)?.[1]);
  if (version === undefined) throw new Error(`no Redis answers on port ${login.port}: ${said.slice(0, 200)}`);
  return { version, processId };
}

/** Sends inline commands, of which the last makes the server close, and resolves with all that it said. */
function exchange(at: { readonly host: string; readonly port: number }, commands: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: at.host, port: at.port }, () => socket.write(commands));
    let said = '';
    socket.setEncoding('utf8');
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`no answer from Redis in ${TIMEOUT_MS} ms`)));
    socket.on('data', (text: string) => (said += text));
    socket.on('error', reject);
    socket.on('close', () => resolve(said));
  });
}
