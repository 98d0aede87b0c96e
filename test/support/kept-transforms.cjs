// Required into daemons of tests: hundreds of them load the same few functions, and reading Babel and translating one takes a third
// of what a start costs. A translation depends on nothing but what is asked; those of other runs of this test run are taken.
const { createHash } = require('node:crypto');
const { readFileSync, renameSync, writeFileSync } = require('node:fs');
const Module = require('node:module');
const { join } = require('node:path');

const folder = process.env.KISFLOW_TEST_TRANSFORMS;
const load = Module._load;

Module._load = function (request, parent, isMain) {
  if (!/dist[\\/]babel\.cjs$/.test(request)) return load.call(this, request, parent, isMain);
  return (options) => keep(options, () => load.call(this, request, parent, isMain)(options));
};

function keep(options, transform) {
  // what asks where it is gets an answer of its own
  const isPlaceless = !/import\.meta|__filename|__dirname/.test(options.source);
  const asked = JSON.stringify(isPlaceless ? { ...options, filename: undefined } : options);
  const file = join(folder, createHash('sha256').update(asked).digest('hex'));
  try {
    return { code: readFileSync(file, 'utf8') };
  } catch {
    const result = transform();
    if (result.error !== undefined) return result;
    const written = `${file}.${process.pid}`;
    writeFileSync(written, result.code);
    renameSync(written, file); // others read it meanwhile
    return result;
  }
}
