import { onMariadb, onMysql, type ColumnCase } from './column-case.ts';

const remark =
  "The server's own form: four bytes of SRID, the lowest first, then the WKB. Written back to a column it is the same geometry, SRID too.";

const shapes: readonly (readonly [string, ...string[]])[] = [
  ['POINT', "ST_GeomFromText('POINT(1.5 -2)')", "ST_GeomFromText('POINT(10 20)', 4326)"],
  ['LINESTRING', "ST_GeomFromText('LINESTRING(0 0,1 1,2 0.1)')"],
  ['POLYGON', "ST_GeomFromText('POLYGON((0 0,10 0,10 10,0 10,0 0),(2 2,4 2,4 4,2 4,2 2))', 4326)"],
  ['MULTIPOINT', "ST_GeomFromText('MULTIPOINT(0 0,1 1)')"],
  ['MULTILINESTRING', "ST_GeomFromText('MULTILINESTRING((0 0,1 1),(2 2,3 3))')"],
  ['MULTIPOLYGON', "ST_GeomFromText('MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))', 4326)"],
  ['GEOMETRYCOLLECTION', "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))')"],
  [
    'GEOMETRY',
    "ST_GeomFromText('POINT(1e-300 1e300)')",
    "ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')",
    "ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))', 4326)",
  ],
];

const geometries: readonly ColumnCase[] = shapes.map(([sql, ...values]) => ({
  type: 'GEOMETRY and its kinds',
  sql,
  values,
  receives: 'Uint8Array',
  form: 'bytes',
  remark,
  example: 0,
}));

export const otherCases: readonly ColumnCase[] = [
  ...geometries,
  {
    type: 'GEOMETRY and its kinds',
    sql: 'POINT SRID 4326',
    values: ["ST_GeomFromText('POINT(1 2)', 4326)"],
    receives: 'Uint8Array',
    form: 'bytes',
    ...onMysql,
    isCrossKind: false,
  },
  {
    type: 'VECTOR(n)',
    sql: 'VECTOR(3)',
    values: ["STRING_TO_VECTOR('[1,2.5,-3e-10]')", "STRING_TO_VECTOR('[0]')", "STRING_TO_VECTOR('[1e38,0,1e-30]')"],
    receives: 'Uint8Array',
    form: 'bytes',
    remark: 'Four bytes a number, little-endian: `new Float32Array(Uint8Array.from(value).buffer)`.',
    ...onMysql,
    isCrossKind: false,
  },
  {
    type: 'UUID',
    sql: 'UUID',
    values: [
      "'123e4567-e89b-12d3-a456-426655440000'",
      "'00000000-0000-0000-0000-000000000000'",
      "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
      "'6ccd780c-baba-1026-9564-5b8c656024db'",
      "'a0000000-0000-4000-8000-000000000001'",
      "'00112233-4455-7677-0899-aabbccddee00'",
    ],
    receives: 'string',
    form: 'plain',
    ...onMariadb,
    isCrossKind: false,
  },
  {
    type: 'INET4',
    sql: 'INET4',
    values: ["'192.0.2.1'", "'0.0.0.0'", "'255.255.255.255'", "'10.0.0.0'"],
    receives: 'string',
    form: 'plain',
    ...onMariadb,
    isCrossKind: false,
  },
  {
    type: 'INET6',
    sql: 'INET6',
    values: [
      "'2001:db8::ff00:42:8329'",
      "'::'",
      "'::1'",
      "'::ffff:192.0.2.1'",
      "'::192.0.2.1'",
      "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'",
      "'1:0:0:2:0:0:0:3'",
      "'1:0:0:2:3:0:0:4'",
      "'1:0:2:3:4:5:6:7'",
      "'::ffff:0:0'",
      "'64:ff9b::c000:201'",
      "'::1:0'",
      "'::0.1.0.0'",
      "'fe80::'",
      "'1::'",
      "'0:1::'",
      "'0:0:0:0:0:1:0:0'",
      "'::ffff:0.0.0.1'",
    ],
    receives: 'string',
    form: 'plain',
    ...onMariadb,
    isCrossKind: false,
  },
];
