export interface WindowOptions {
  readonly kind: 'window';
  readonly shape: 'tumbling' | 'sliding' | 'session';
  /** The field with a row's time. */
  readonly time: string;
  /** What integers in it count. */
  readonly unit: 's' | 'ms';
  /** Length of a window in milliseconds; of a tumbling or a sliding one. */
  readonly sizeMs: number;
  /** From one window's start to the next one's; the size of a tumbling one. */
  readonly everyMs: number;
  /** Between two rows of different sessions, at least. */
  readonly gapMs: number;
  /** Fields whose values have sessions of their own. */
  readonly key: readonly string[];
  /** A window is closed when a time so far behind its end was seen; undefined: windows never close. */
  readonly latenessMs: number | undefined;
  /** What becomes of a row for windows that are closed. */
  readonly late: 'dead-row' | 'drop';
  /** Names of the new fields. */
  readonly as: { readonly start: string; readonly end: string };
  /** Only rows of this table; others pass. */
  readonly table?: string | undefined;
}
