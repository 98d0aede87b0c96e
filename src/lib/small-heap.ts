import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** Two semi-spaces of 16 MB: what Node 20 and 22 allow by themselves. Node 24 allows four times as much. */
const youngBytesMax = 32 * 1024 * 1024;
const checkMs = 50;

/**
 * Keeps V8's heap near what is alive (L7): rows pass through the process in great numbers, and none stays.
 *
 * The old generation is collected when it has doubled, where V8 would let it grow to several times what is alive. The young
 * generation stops growing at 32 MB; V8 reads its size limit only before it starts, but how much it grows at each step
 * (`semi_space_growth_factor` in V8's flag-definitions.h) at every step.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--heap-growing-percent=100');
  const watch = setInterval(() => {
    const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space');
    if (young !== undefined && young.space_size < youngBytesMax) return;
    setFlagsFromString('--semi-space-growth-factor=1');
    clearInterval(watch);
  }, checkMs);
  watch.unref();
}
