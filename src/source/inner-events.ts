/**
 * Events that are to be taken one by one, in order, before the next one of the stream: those within a compressed transaction, and those of an
 * XA transaction where it is committed. A promise means that nothing more is taken, nor asked for, before it resolves.
 */
export type InnerEvents = Iterator<Buffer | Promise<void>, void>;
