import type { AnyBinlogEvent, BinlogEventTypeName } from '@vlasky/zongji';

type EventNamed<Name extends BinlogEventTypeName> = Extract<AnyBinlogEvent, { getTypeName(): Name }>;

/** Whether an event of zongji is of this type: its types are a union that the compiler cannot tell apart by itself. */
export function isEvent<Name extends BinlogEventTypeName>(event: AnyBinlogEvent, name: Name): event is EventNamed<Name> {
  return event.getTypeName() === name;
}
