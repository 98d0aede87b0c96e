/** Bytes of a binlog that are not what their format says. */
export class MalformedEvent extends Error {}
