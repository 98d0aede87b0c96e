/** Bytes of a binlog that are not what their format says: the file is damaged, or they were on their way. */
export class MalformedEvent extends Error {}

/** An event that is as it was written, and that is not read: to read it once more changes nothing. */
export class RefusedEvent extends MalformedEvent {}
