/** Bytes that are not what the format says: truncated, corrupted, or of a version that this decoder does not know. */
export class MalformedEvent extends Error {}
