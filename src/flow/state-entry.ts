/** A key's value as exact JSON; undefined where it has none. */
export interface StateEntry {
  readonly text: string | undefined;
  /** Milliseconds since 1970; Infinity: never. */
  readonly expiresAt: number;
}

export const noEntry: StateEntry = { text: undefined, expiresAt: Number.POSITIVE_INFINITY };
