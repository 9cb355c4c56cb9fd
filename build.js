// Puts the program together in dist/: our own modules, and the libraries that are made of hundreds of small files, in a
// few chunks. Loading those one by one would take most of a command's time. Types are checked by `npm run lint`.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

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
      resolveDir: join(import.meta.dirname, 'node_modules/undici/lib'),
      contents: `
        Object.assign(require('./dispatcher/dispatcher.js').prototype, require('./api'));
        exports.Agent = require('./dispatcher/agent.js');
        exports.EnvHttpProxyAgent = require('./dispatcher/env-http-proxy-agent.js');
        exports.buildConnector = require('./core/connect.js');`,
    }));
  },
};

rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: ['src/main.ts', 'src/publish/intake-worker.ts'],
  outdir: 'dist',
  // Side by side, so that the program finds its worker beside itself.
  entryNames: '[name]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  external: Object.keys(manifest.dependencies).filter((name) => !bundled.includes(name)),
  // What is bundled of CommonJS asks for Node's own modules this way.
  banner: {
    js: "import { createRequire } from 'node:module';const require = createRequire(import.meta.url);",
  },
  plugins: [requestsOfUndici],
  logLevel: 'warning',
});
