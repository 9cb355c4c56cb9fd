#!/usr/bin/env node
// Starts the bundle that lies beside this file and has its name (`build.js` puts both into dist/), with what V8 made of
// it when it was built: to compile the program anew takes longer than many commands do. What another version of Node.js
// has made is of no use to V8, and it does without.
const { readFileSync } = require('node:fs');
const { wrap } = require('node:module');
const { Script } = require('node:vm');

const [, bundle] = /^(.*)\.js$/.exec(__filename);
if (bundle.endsWith('main')) {
  // WebAssembly (of the HTTP client, of xz) is compiled a second time, to be faster, when it has been used for a while. A
  // process waits for that at its end, so a short one should not begin it; ten times the usual patience still is little.
  require('node:v8').setFlagsFromString('--wasm-tiering-budget=20000000');
  // Otherwise the garbage of 500 fast downloads can amount to three times what is in use before it is collected.
  require('node:v8').setFlagsFromString('--heap-growing-percent=50');
}

const filename = `${bundle}.cjs`;
const script = new Script(wrap(readFileSync(filename, 'latin1')), {
  filename,
  cachedData: codeCache(),
});
// For `build.js`, which asks it for the cache.
module.exports = script;
script.runInThisContext()({}, require, { exports: {} }, filename, __dirname);

function codeCache() {
  try {
    return readFileSync(`${bundle}.cache`);
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}
