import type { SqlFlavour } from '../../src/embedded/server.ts';

/** A column's type, and values at its extremes: what docs/mysql-types.md says is what the tests see for these. */
export interface ColumnCase {
  /** The type as docs/mysql-types.md names it; several cases may be of one. */
  readonly type: string;
  /** The column's definition. */
  readonly sql: string;
  /** SQL expressions, written one a row under lenient settings; NULL is added. */
  readonly values: readonly string[];
  /** What JavaScript type a function receives. */
  readonly receives: string;
  /** How the values are compared; see comparison.ts. */
  readonly form: ValueForm;
  /** Both unless said. */
  readonly servers?: readonly SqlFlavour[];
  readonly remark?: string;
  /** Which value stands on the page, counted from 0. */
  readonly example?: number;
  /** Whether a server of the other kind can hold the values too; yes unless said. */
  readonly isCrossKind?: false;
  /** Whether a column takes the values back as they were; yes unless said, and the remark says why. */
  readonly isMirrored?: false;
}

/** How a SELECT tells a value exactly, where mysql2 itself does not. */
export type ValueForm =
  | 'plain'
  | 'float'
  | 'double'
  | 'text'
  | 'bytes'
  | 'enum'
  | 'json'
  | 'zerofill'
  | 'year2'
  | 'rounded'
  | 'retold';

export const onMysql = { servers: ['mysql'] } as const;
export const onMariadb = { servers: ['mariadb'] } as const;

/** Text as an SQL literal that no session setting changes. */
export function sqlText(text: string): string {
  return `CONVERT(X'${Buffer.from(text).toString('hex')}' USING utf8mb4)`;
}
