export interface ChunkLimits {
  readonly rowsMax: number;
  readonly bytesMax: number;
  /** What a read should take. */
  readonly targetMs: number;
}

/** What a read was like. */
export interface ReadCost {
  readonly rows: number;
  readonly bytes: number;
  readonly ms: number;
}

const rowsFirst = 1000;

/** How many rows the next read asks for: as many as take the time aimed at, and no more than fit. */
export class ChunkSize {
  readonly #limits: ChunkLimits;
  #rows: number;
  #rowBytes: number;

  /** `rowBytes`: what the server takes a row for; 0: it does not say. */
  constructor(limits: ChunkLimits, rowBytes: number) {
    this.#limits = limits;
    this.#rowBytes = rowBytes;
    this.#rows = this.#clamp(rowsFirst);
  }

  get rows(): number {
    return this.#rows;
  }

  /** A read is over. It grows or shrinks at most fourfold at once. */
  learn({ rows, bytes, ms }: ReadCost): void {
    if (rows === 0) return;
    this.#rowBytes = bytes / rows;
    const factor = Math.min(4, Math.max(0.25, this.#limits.targetMs / Math.max(ms, 1)));
    this.#rows = this.#clamp(Math.round(rows < this.#rows ? this.#rows : this.#rows * factor));
  }

  /** What was read could not be used: rows changed too fast, or were too many. */
  shrink(): void {
    this.#rows = this.#clamp(Math.floor(this.#rows / 4));
  }

  #clamp(rows: number): number {
    const { rowsMax, bytesMax } = this.#limits;
    const fitting = this.#rowBytes > 0 ? Math.floor(bytesMax / this.#rowBytes) : rowsMax;
    return Math.max(1, Math.min(rows, rowsMax, fitting));
  }
}
