import { inflateSync } from 'node:zlib';

/**
 * Binary JSON as MySQL 9.7 logged it, deflated and in base64, for tests without a server: json-text.mysql.test.ts and
 * json-diff.mysql.test.ts hold the decoders against what a server prints.
 */
function bytes(text: string): Buffer {
  return inflateSync(Buffer.from(text, 'base64'));
}

/** An order's document, values that JSON has no types for, nested arrays, the large form of both, and scalars. */
export const documents: readonly Buffer[] = [
  // order
  bytes(
    [
      'eNpVj89Kw0AQh3/5p6XZIkIvgmBoBfUQMWAbsCKxB3soiiDevITNIovJJm422OrNB/Die3j0BXwSDx59AU9OBUEHvoGZ2Y/lhxYm1iFsHMHFmD',
      'iBhylxTlxiGVdowVsFy+DaYBr2I/wP4BNsZMlMlUZUqcxEkco8l0rUpjRpnmaZFnXNGxoLoTtaquugZ+4kF732Co/iRMzSosrFLi8LGxxoAyM4',
      'iLBGfZ3YoP89B2wT/g5uzby+aSpNvnscRvFD92Xy/tVPHGz/F6yF4M3+Cs44jLGop+fExRkCetunoFtYQkgB2T7YAVhCK9zLiktSjRbC8LJRRs',
      '+9wd5wGHvTt9dcdU5TqYKLn3Mw8H/zBVH8DbhRSsU=',
    ].join(''),
  ),
  // opaque values
  bytes(
    [
      'eNpj4GL4xODFwMjgDcQ+QOwLxH5A7A/EAUAcCMRBDEwMIQwsDPwRDPyrGLi3MHDvYeA8AhRg4D/DwHWNgf8eA/8LhqSU1LTMvJLSkuKUxJJU/o',
      'AKKoNvHDzM9f//f/63bE4pQ4fNE/O6WTNBYKc9AwQ0cHP8//+fdeLp/3DAw2HvxP+7bvcmSS4OsJpdmyQBMUZZJw==',
    ].join(''),
  ),
  // nested
  bytes(
    [
      'eNpjYmT4wsDEzsDG8JaBSYyBJ5yBhZGBhYmBhYGB8ykDI4MjSJKRwQpCGYMoZgYdBlZGBnZeBgZBhgnv/v1nYpBmEGJgAGJGBgZhBiZxhmwGkA',
      'FA3MN4eOXggQxxFzYBncUAAOY1buM=',
    ].join(''),
  ),
  // large array
  bytes(
    [
      'eNrtyLENgDAQA8B/kQgh0TACizEDLTUbMUmGoaQgrIHuCsv2UCPiyYx57aVmj3FfMqa7f+Wb7SwHAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
      'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA8DuxtSu6F4AU6GU=',
    ].join(''),
  ),
  // large object
  bytes(
    [
      'eNrtxbkNwgAABME7HhHYCWXwNEXswA4RKQ3SEVguA80Eu90nGXbNZX1z3XrbOt7XnZZzk2+bxzR/3ocXAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
      'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA8HeaMUOaY/P8AWDU6cU=',
    ].join(''),
  ),
  // number
  bytes('eNrjZgCDH/YAApsBQw=='),
  // string
  bytes('eNrjYSlJrSgBAATFAdY='),
];

export interface ChangeSample {
  readonly before: Buffer;
  readonly diffs: Buffer;
}

/** Values before, and changes of them. */
export const changes: readonly ChangeSample[] = [
  {
    before: bytes(
      [
        'eNpVj89Kw0AQh3/5p6XZIkIvgmBoBfUQMWAbsCKxB3soiiDevITNIovJJm422OrNB/Die3j0BXwSDx59AU9OBUEHvoGZ2Y/lhxYm1iFsHMHFmD',
        'iBhylxTlxiGVdowVsFy+DaYBr2I/wP4BNsZMlMlUZUqcxEkco8l0rUpjRpnmaZFnXNGxoLoTtaquugZ+4kF732Co/iRMzSosrFLi8LGxxoAyM4',
        'iLBGfZ3YoP89B2wT/g5uzby+aSpNvnscRvFD92Xy/tVPHGz/F6yF4M3+Cs44jLGop+fExRkCetunoFtYQkgB2T7YAVhCK9zLiktSjRbC8LJRRs',
        '+9wd5wGHvTt9dcdU5TqYKLn3Mw8H/zBVH8DbhRSsU=',
      ].join(''),
    ),
    diffs: bytes('eNpj4FPRS0xJKUotLtZLziypZONhccrPy2NkVdHLSy3nZmJi4GJgZWRgZWJg5FLRy8nMSy2ONooVZGBkEGDgZmBm4OFjKM4uZXQGAEDADdw='),
  },
  {
    before: bytes(
      [
        'eNpVUE1Lw0AUnE2yfjRbP6AXQTC0gnqoNGAb8KC1InqwIIgXL7Ikqywmm5hsbat3j14Ef4b/yb/hyVdB0IVZ2HlvZt8bLCJjx3BwAhdn8HBOuA',
        'DHFeGacIN53GIBfBWOgZjAcyBe4LzDFwwNJiTTiVFjk1tVSJ2oTOo01UZVNrcylUlSqqqKR/TMVOmgBs7AHdRLbe6Cph3rWDVry3EY9dVEZkWq',
        'duM8c/EI1IED0OcuQqzRvU7YoJG4C7EJfwcPdlrdj4qSLLyjdhg9Nz5OP79afRfb/wVsJuCTvwJ30I4YVuBTj1gC0RTD7Ly+9T0MERDfoiy2MI',
        'c2ZSD2IPYhDonCky5iTVa2VMrG+cjYcsq7nV4v8ga5MfWh1Ca4/KkGXf939yCMvgGnJE1C',
      ].join(''),
    ),
    diffs: bytes('eNpj4lPRy8nMSy2ONojVKyypZGJT0cvLL0ll4lXRS0xJKUotLtaryiwAANk5C8o='),
  },
  {
    before: bytes(
      [
        'eNrtxbkNwgAABME7HhHYCWXwNEXswA4RKQ3SEVguA80Eu90nGXbNZX1z3XrbOt7XnZZzk2+bxzR/3ocXAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
        'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA8HeaMUOaY/P8AWDU6cU=',
      ].join(''),
    ),
    diffs: bytes('eNpj5FTRy9dTqlSoUmJmZWJgYFbRy2ZmZWQAAC43AyQ='),
  },
];
