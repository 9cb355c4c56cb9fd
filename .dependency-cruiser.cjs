// Who may import whom: the rules of docs/architecture.md, checked by `npm run lint`.

const top = '^src/(errors|suggestion|yaml|version)\\.ts$';

/** A folder of src/ may import only itself, the folders named, and the few files at the top of src/. */
function only(from, ...allowed) {
  const names = [from, ...allowed].map((name) => `^src/${name}(/|\\.ts$)`);
  return {
    name: `${from}-imports`,
    comment: `src/${from} may import only: ${allowed.join(', ') || 'nothing of ours'}`,
    severity: 'error',
    from: { path: `^src/${from}/` },
    to: { path: '^src/', pathNot: [...names, top] },
  };
}

/** A library has one owner. */
function owner(library, ...folders) {
  return {
    name: `${library.replace('/', '-')}-owner`,
    comment: `${library} may be imported only in ${folders.join(', ')}`,
    severity: 'error',
    from: { path: '^src/', pathNot: folders.map((folder) => `^src/${folder}`) },
    to: { path: `node_modules/${library}/` },
  };
}

// From the bottom up: each folder uses only what stands below it.
const tools = ['model', 'async', 'files', 'net'];
const bytes = [...tools, 'image', 'blobs', 'catalog'];
const format = [...bytes, 'keys', 'simplestreams'];
const services = [...format, 'access', 'publish', 'ops', 'config'];

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: ['\\.d\\.ts$', '^src/main\\.ts$'] },
      to: {},
    },
    { name: 'not-to-test', severity: 'error', from: { path: '^src/' }, to: { path: '^(test|bench|build)/' } },

    only('model'),
    only('async'),
    only('files', 'model', 'async'),
    only('net'),
    only('keys', 'files', 'async', 'model'),
    only('config', 'model', 'net', 'files'),
    only('image', 'model', 'async'),
    only('blobs', ...tools),
    only('catalog', ...tools, 'blobs'),
    only('simplestreams/read', 'model'),
    only('simplestreams/write', ...bytes, 'keys'),
    only('access', 'model', 'catalog'),
    only('evidence', 'model', 'async', 'blobs', 'catalog'),
    only('publish', ...format),
    only('ops', ...format, 'publish'),
    only('mirror/plan', 'model', 'simplestreams/read'),
    only('mirror', ...format, 'publish', 'config', 'evidence', 'bundle'),
    only('bundle/format', 'model'),
    only('bundle', ...bytes, 'config', 'evidence'),
    only('registry', ...services, 'mirror'),
    only('oci', ...services, 'mirror', 'registry'),
    only('http', ...services, 'mirror', 'registry', 'oci'),
    only('server', ...services, 'mirror', 'registry', 'oci', 'http', 'bundle'),

    {
      name: 'files-are-looked-into-in-threads',
      comment: 'unpacking a hostile file takes long: only what runs in worker threads may do it',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot:
          '^src/(image/|publish/(intake/(examination|examine-small|intake-worker)|split/split-job|generated/repack-program)\\.ts$)',
      },
      to: {
        path: '^src/image/(inspect|compression/(compression|gzip|zstd|bzip2/bzip2|xz/xz)|tar/(tarball-inspector|tarball-scan|tar|unified|flatten)|squashfs/squashfs|qcow2/qcow2)\\.ts$',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'threads-begin-with-their-worker',
      comment: 'what looks into files is loaded by threads only',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/publish/intake/intake-worker\\.ts$' },
      to: {
        path: '^src/publish/(intake/(examination|examine-small)|split/split-job)\\.ts$',
        dependencyTypesNot: ['type-only'],
      },
    },

    owner('koa', 'http/'),
    owner('@koa/router', 'http/'),
    owner('ws', 'http/registry/'),
    owner('range-parser', 'http/'),
    owner('re2js', 'http/registry/listing/'),
    owner('selfsigned', 'http/connection/'),
    owner('minio', 'blobs/s3/'),
    owner('better-sqlite3', 'catalog/database/'),
    owner('kysely', 'catalog/'),
    owner(
      'zod',
      'bundle/format/',
      'bundle/receipt/',
      'catalog/',
      'config/',
      'http/',
      'publish/',
      'image/metadata/',
      'mirror/guard/',
      'mirror/run/',
      'mirror/site/',
      'oci/',
      'registry/incoming/',
      'server/',
    ),
    owner('yaml', 'config/', 'image/metadata/', 'publish/tree/', 'yaml\\.ts$'),
    owner('commander', 'cli/', 'main\\.ts$'),
    owner('cli-progress', 'cli/view/'),
    owner('undici', 'mirror/upstream/', 'registry/incoming/', 'cli/backend/'),
    owner('tar-stream', 'image/tar/'),
    owner('lzma-native', 'image/compression/xz/'),
    owner('xz-decompress', 'image/compression/xz/'),
    owner('zstd-napi', 'image/compression/', 'image/squashfs/'),
    owner('openpgp', 'keys/'),
    owner('node-cron', 'mirror/', 'ops/'),
    owner('pino', 'ops/'),
    owner('pino-pretty', 'ops/'),
    owner('prom-client', 'ops/'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
