// Has V8 keep what it makes of the bundles in dist/ while they run, for `launch.cjs`.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

/** Of the program while it does what people wait for most often: a run of a mirror whose upstream has nothing new. */
export async function cacheProgram() {
  const directory = mkdtempSync(join(tmpdir(), 'headwater-build-'));
  const upstream = createServer((request, response) => {
    const isKnown = request.headers['if-none-match'] === '"1"';
    response.writeHead(isKnown ? 304 : 200, { ETag: '"1"' });
    response.end(isKnown ? undefined : '{"format":"index:1.0","index":{}}');
  });
  await new Promise((done) => upstream.listen(0, '127.0.0.1', done));
  try {
    const { port } = upstream.address();
    const config = join(directory, 'headwater.yaml');
    writeFileSync(config, `mirrorDir: ${directory}/mirrors\ndataDir: ${directory}/data\n`);
    mkdirSync(join(directory, 'mirrors'));
    writeFileSync(join(directory, 'mirrors/empty.yaml'), `url: http://127.0.0.1:${port}\nunsigned: true\n`);
    const command = ['mirror', 'run', '--config', config];
    await node('dist/main.js', ...command);
    await node(
      '--eval',
      `process.argv.splice(1, 0, ${path('main.js')});
      const script = require(${path('main.js')});
      process.on('exit', () => require('node:fs').writeFileSync(${path('main.cache')}, script.createCachedData()));`,
      '--',
      ...command,
    );
  } finally {
    upstream.close();
    rmSync(directory, { recursive: true });
  }
}

/** Of the worker while it finds that a file is no image. */
export async function cacheWorker() {
  const thread = `
    const script = require(${path('intake-worker.js')});
    require('node:worker_threads').parentPort.on('message', ({ type }) => {
      if (type !== 'keep') return;
      require('node:fs').writeFileSync(${path('intake-worker.cache')}, script.createCachedData());
      process.exit();
    });`;
  await node(
    '--eval',
    `const worker = new (require('node:worker_threads').Worker)(${JSON.stringify(thread)}, { eval: true });
    worker.on('message', () => worker.postMessage({ type: 'keep' }));
    worker.postMessage({ type: 'small', job: 1, bytes: new ArrayBuffer(600), files: [{ start: 0, end: 600 }] });`,
  );
}

function path(name) {
  return JSON.stringify(resolve('dist', name));
}

/** Runs Node.js as users do who have set nothing. */
async function node(...args) {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('HEADWATER_')),
  );
  await promisify(execFile)(process.execPath, args, { env });
}
