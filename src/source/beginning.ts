/** How a transaction begins. */
export interface Beginning {
  /** '' for an anonymous one. */
  readonly gtid: string;
  /** Whether the event itself opens a transaction (MariaDB), or a statement that follows says what it is. */
  readonly isOpen: boolean;
}
