/**
 * What others could see or change: connections without TLS over a network, files that anybody on the machine may read or write.
 */
import { readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isInStore } from '../../config/plan.ts';
import type { Configuration } from '../../config/configuration.ts';
import { hasLiteralSecret } from '../../config/secret.ts';
import { parseRedisAddress } from '../../connector/redis-address.ts';
import { parseListen } from '../../lib/http-server.ts';
import { readMysqlAddress } from '../../lib/mysql-address.ts';
import { isLoopback, type TlsMode } from '../../lib/tls.ts';
import type { CommandContext } from '../command.ts';
import { findingOf, type Finding } from './finding.ts';

interface Connection {
  readonly subject: string;
  readonly host: string;
  readonly tls: TlsMode;
  /** The key that the address stands at. */
  readonly key: string;
}

/** Addresses of other machines that are connected to without TLS, or with a certificate that nobody looks at. */
export function examineAddresses(configuration: Configuration): readonly Finding[] {
  return connectionsOf(configuration)
    .filter(({ host, tls }) => tls !== 'verify' && !isLoopback(host))
    .map(({ subject, host, tls, key }): Finding => {
      const isPlain = tls === 'off';
      const message = isPlain
        ? `The connection to ${host} has no TLS: whoever is on the way reads all rows, and may change them.`
        : `The connection to ${host} takes any certificate (ssl=encrypt): whoever is on the way may pose as the server.`;
      const remedy = `-- in ${key}: ?ssl=verify, with &ssl_ca=/path/ca.pem where the CA is one of your own`;
      return { code: 'CONNECTION_EXPOSED', severity: isPlain ? 'warning' : 'info', subject, message, remedy };
    });
}

function connectionsOf(configuration: Configuration): readonly Connection[] {
  const { global, sources, conns } = configuration;
  const mysql = (subject: string, url: string | undefined, key: string): Connection[] => {
    const address = url === undefined ? 'none' : readMysqlAddress(url);
    return typeof address === 'string' ? [] : [{ subject, host: address.host, tls: address.tls, key }];
  };
  const redis = (subject: string, url: string | undefined, key: string): Connection[] => {
    try {
      return url === undefined || url === '' ? [] : [{ subject, key, ...parseRedisAddress(url, subject) }];
    } catch {
      return []; // a mistake of the configuration, which is a finding of its own
    }
  };
  return [
    ...[...sources.values()].flatMap(({ name, url }) => mysql(`source ${name}`, url, 'its url')),
    ...mysql('store', global.store?.url, 'store.url'),
    ...redis('configuration', global.redis?.url, 'redis.url'),
    ...[...conns.values()].flatMap((conn) => {
      const subject = `connector ${conn.cname}`;
      if (conn.type === 'redis') return redis(subject, conn.addrs, 'its addrs');
      const isOwn = (conn.type === 'mysql' || conn.type === 'tidb') && !isInStore(conn);
      return isOwn ? mysql(subject, conn.addrs, 'its addrs') : [];
    }),
  ];
}

/** What others can reach of the HTTP API, and what is off because of that. */
export function examineApi({ global: { http } }: Configuration): readonly Finding[] {
  if (http === undefined) return [];
  const subject = 'configuration';
  try {
    if (isLoopback(parseListen(http.listen, 'http.listen').host)) return [];
  } catch (error) {
    return [findingOf(error, { subject, remedy: 'http: {listen: 127.0.0.1:8060}' })];
  }
  if (http.token === undefined) {
    const message = `The HTTP API is off: others can reach ${http.listen}, and there is no http.token. Health is served.`;
    return [{ code: 'API_OFF', severity: 'info', subject, message, remedy: 'http: {token: "${KISFLOW_HTTP_TOKEN}"}' }];
  }
  const message = `The HTTP API at ${http.listen} has no TLS: whoever is on the way reads the token.`;
  return [
    {
      code: 'API_EXPOSED',
      severity: 'info',
      subject,
      message,
      remedy: '-- a proxy with TLS before it, and http.listen on 127.0.0.1',
    },
  ];
}

const OTHERS_READ = 0o004;
const OTHERS_WRITE = 0o002;
const OTHERS_ENTER = 0o001;

/** Code and configuration that every account of the machine may change, and configuration with a secret that it may read. POSIX only. */
export async function examineFiles(
  configuration: Configuration | undefined,
  context: Pick<CommandContext, 'conf' | 'functions' | 'connectors' | 'migrations'>,
): Promise<readonly Finding[]> {
  if (process.platform === 'win32') return [];
  const findings: Finding[] = [];
  for (const [subject, path] of [
    ['configuration', context.conf],
    ['functions', context.functions],
    ['connectors', context.connectors],
    ['migrations', context.migrations],
  ] as const) {
    const open = await allowedTo(OTHERS_WRITE, path);
    if (open.length === 0) continue;
    const message = `Every account of this machine may change ${open.slice(0, 5).join(', ')}, and so what kisflow runs with its passwords.`;
    findings.push({ code: 'FILE_EXPOSED', severity: 'warning', subject, message, remedy: `chmod -R o-w ${path}` });
  }
  const secret = [...(configuration?.origins.values() ?? [])].filter(({ written }) => hasLiteralSecret(written));
  for (const file of new Set(secret.map((origin) => origin.file))) {
    if ((await allowedTo(OTHERS_READ, file)).length === 0) continue;
    const message = `${file} holds a password, and every account of this machine may read it.`;
    const remedy = `chmod o-r ${file} # or write \${NAME} there, and the password in the environment`;
    findings.push({ code: 'FILE_EXPOSED', severity: 'warning', subject: 'configuration', message, remedy });
  }
  return findings;
}

/** A path and, of a folder, what is in it, as far as others may do this with it; nothing where they cannot get there. */
async function allowedTo(mode: number, path: string): Promise<readonly string[]> {
  const found: string[] = [];
  const root = await realpath(path).catch(() => undefined);
  if (root === undefined || !(await isReachable(dirname(root)))) return found;
  const visit = async (each: string, shown: string): Promise<void> => {
    const about = await stat(each).catch(() => undefined);
    if (about === undefined) return;
    if ((about.mode & mode) !== 0) found.push(shown);
    if (!about.isDirectory() || (about.mode & OTHERS_ENTER) === 0) return;
    for (const name of await readdir(each)) if (name !== 'node_modules') await visit(join(each, name), join(shown, name));
  };
  await visit(root, path);
  return found;
}

/** Whether every folder down to this one lets others enter. */
async function isReachable(folder: string): Promise<boolean> {
  for (let at = folder; ; at = dirname(at)) {
    const about = await stat(at).catch(() => undefined);
    if (about === undefined || (about.mode & OTHERS_ENTER) === 0) return false;
    if (at === dirname(at)) return true;
  }
}
