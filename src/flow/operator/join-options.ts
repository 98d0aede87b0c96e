export interface JoinOptions {
  readonly kind: 'join';
  /** `schema.name` of a source table, or what an earlier join calls its rows. */
  readonly left: string;
  readonly right: string;
  /** Field of left to field of right. */
  readonly on: Readonly<Record<string, string>>;
  /** `left`: rows of left without a row of right are joined with NULLs. */
  readonly type: 'inner' | 'left';
  /** New field to field of right. */
  readonly take: Readonly<Record<string, string>>;
  /** The table that joined rows name; left's unless said otherwise. */
  readonly as?: string | undefined;
}
