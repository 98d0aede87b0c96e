import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { askRedis } from '../../src/embedded/redis-login.ts';
import type { ServerAddress } from '../../src/embedded/server.ts';
import { startPrivateRedis, withRedis } from '../support/servers.ts';

/** What Redis answers to inline commands. */
function say({ host, port, password }: ServerAddress, ...commands: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port }, () => socket.write([`AUTH ${password}`, ...commands, 'QUIT', ''].join('\r\n')));
    let said = '';
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => (said += text));
    socket.on('error', reject);
    socket.on('close', () => resolve(said));
  });
}

withRedis((shared) => {
  test('answers', async () => {
    expect((await askRedis(shared)).version).toMatch(/^\d+\.\d+/);
  });

  test("takes the caller's settings", async () => {
    const server = await startPrivateRedis({ settings: { maxmemory: 12_345_678 } });
    expect(await say(server, 'CONFIG GET maxmemory')).toContain('12345678');
  });

  test('keeps what it had through a kill and a restart', async () => {
    const server = await startPrivateRedis();
    await say(server, 'SET kept yes');
    await server.kill();
    await expect(say(server, 'PING')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await server.restart();
    expect(await say(server, 'GET kept')).toContain('yes');
  });

  test('a stop ends it and removes its data', async () => {
    const server = await startPrivateRedis();
    await server.stop();
    expect(server.dataDir !== undefined && existsSync(server.dataDir)).toBe(false);
    await expect(say(server, 'PING')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});
