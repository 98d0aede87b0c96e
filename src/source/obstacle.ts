import { CodedError } from '../lib/error.ts';
import type { ErrorCode } from '../lib/error-codes.ts';
import type { ServerSettings } from './server-settings.ts';

/** Something about a server that keeps its binlog from being read exactly, with the SQL that mends it. */
export interface Obstacle {
  readonly code: ErrorCode;
  readonly message: string;
  readonly remedy: string;
}

/** Everything that stands in the way, the gravest first; empty for a server that can be read. */
export function findObstacles(settings: ServerSettings): readonly Obstacle[] {
  const obstacles: (Obstacle | false)[] = [
    !settings.hasBinlog && {
      code: 'SOURCE_BINLOG_OFF',
      message: 'the source server writes no binlog',
      remedy: 'set log_bin in the server’s configuration and restart it',
    },
    settings.grants.canDump === false && missing(settings, 'REPLICATION SLAVE'),
    settings.grants.canAskStatus === false &&
      missing(settings, settings.flavour === 'mariadb' ? 'BINLOG MONITOR' : 'REPLICATION CLIENT'),
    settings.binlogFormat !== 'ROW' && {
      code: 'SOURCE_STATEMENT_FORMAT',
      message: `the source server’s binlog_format is ${settings.binlogFormat}`,
      remedy: 'SET GLOBAL binlog_format = ROW',
    },
  ];
  return obstacles.filter((obstacle) => obstacle !== false);
}

/** The error of an obstacle. */
export function obstacleError(obstacle: Obstacle): CodedError {
  return new CodedError(obstacle.code, `${obstacle.message}: ${obstacle.remedy}, then reconnect the writers`);
}

function missing(settings: ServerSettings, privilege: string): Obstacle {
  const [user = '', host = '%'] = settings.account.split('@');
  return {
    code: 'SOURCE_GRANT_MISSING',
    message: `${settings.account} lacks ${privilege}`,
    remedy: `GRANT ${privilege} ON *.* TO '${user}'@'${host}'`,
  };
}
