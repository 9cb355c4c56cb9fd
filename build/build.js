// Puts the program together in dist/: our own modules and most libraries in one file, since loading hundreds of small
// ones would take most of a command's time, and beside it what V8 makes of that file (`launch.cjs`, `code-cache.js`).
// Types are checked by `npm run lint`.
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { build } from 'esbuild';
import { cacheProgram, cacheWorker } from './code-cache.js';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const bundled = ['commander', 'kysely', 'node-cron', 'undici', 'yaml', 'zod'];

/**
 * Of undici, only what makes requests: its index also loads fetch, WebSocket, caches and mocks, which takes longer than
 * some commands do. HTTP/2, which it does not speak unless asked to, would load Node's own.
 */
const requestsOfUndici = {
  name: 'requests-of-undici',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace: 'requests' }));
    onResolve({ filter: /\/client-h2\.js$/ }, () => ({ path: 'client-h2', namespace: 'left-out' }));
    onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({ contents: '' }));
    onLoad({ filter: /.*/, namespace: 'requests' }, () => ({
      resolveDir: resolve('node_modules/undici/lib'),
      contents: `
        Object.assign(require('./dispatcher/dispatcher.js').prototype, require('./api'));
        exports.Agent = require('./dispatcher/agent.js');
        exports.EnvHttpProxyAgent = require('./dispatcher/env-http-proxy-agent.js');
        exports.Pool = require('./dispatcher/pool.js');
        exports.buildConnector = require('./core/connect.js');`,
    }));
  },
};

rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: [
    'src/main.ts',
    'src/bundle/hashing/hash-worker.ts',
    'src/publish/intake/intake-worker.ts',
    'src/publish/unpacking/liblzma-program.ts',
    'src/publish/generated/repack-program.ts',
    'src/simplestreams/write/signed/signing-worker.ts',
  ],
  outdir: 'dist',
  // Side by side, so that the program finds its worker beside itself.
  entryNames: '[name]',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  // A library that is loaded when it is needed is required then: scripts with a cache cannot import.
  supported: { 'dynamic-import': false },
  sourcemap: true,
  // A file is read and checked as a whole before anything in it runs.
  minifyWhitespace: true,
  legalComments: 'external',
  external: Object.keys(manifest.dependencies).filter((name) => !bundled.includes(name)),
  define: { 'import.meta.url': '__bundleUrl' },
  banner: { js: "const __bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
  plugins: [requestsOfUndici],
  logLevel: 'warning',
});
writeFileSync('dist/package.json', '{ "type": "commonjs" }\n');
for (const name of [
  'main',
  'hash-worker',
  'intake-worker',
  'liblzma-program',
  'repack-program',
  'signing-worker',
]) {
  copyFileSync('build/launch.cjs', `dist/${name}.js`);
  // The launcher takes each byte for a character.
  if (readFileSync(`dist/${name}.cjs`).some((byte) => byte > 127))
    throw new Error(`dist/${name}.cjs is not ASCII`);
}
await cacheProgram();
await cacheWorker();
