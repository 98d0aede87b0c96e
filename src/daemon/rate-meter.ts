/** Counts events per second over the last few seconds, without keeping them: two buckets of `windowMs`, the older one fading. */
export class RateMeter {
  readonly #windowMs: number;
  #bucket = 0;
  #count = 0;
  #before = 0;

  constructor(windowMs = 5000) {
    this.#windowMs = windowMs;
  }

  add(count: number, now: number): void {
    this.#roll(now);
    this.#count += count;
  }

  perSecond(now: number): number {
    this.#roll(now);
    const share = (now % this.#windowMs) / this.#windowMs;
    return ((this.#before * (1 - share) + this.#count) * 1000) / this.#windowMs;
  }

  #roll(now: number): void {
    const bucket = Math.floor(now / this.#windowMs);
    if (bucket === this.#bucket) return;
    this.#before = bucket === this.#bucket + 1 ? this.#count : 0;
    this.#count = 0;
    this.#bucket = bucket;
  }
}
