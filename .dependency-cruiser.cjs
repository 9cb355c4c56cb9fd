// Who may import whom: the rules of docs/architecture.md, checked by `npm run lint`.

/** A folder of src/ may import only the folders named (and src/errors.ts, src/outcome.ts, src/suggestion.ts and src/yaml.ts). */
function only(from, ...allowed) {
  const names = [from, ...allowed].map((name) => `^src/${name}/`);
  return {
    name: `${from}-imports`,
    comment: `src/${from} may import only: ${allowed.join(', ') || 'nothing of ours'}`,
    severity: 'error',
    from: { path: `^src/${from}/` },
    to: { path: '^src/', pathNot: [...names, '^src/(errors|outcome|suggestion|yaml)\\.ts$'] },
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
    only('image'),
    {
      name: 'files-are-looked-into-in-threads',
      comment: 'unpacking a hostile file takes long: only what runs in worker threads may do it',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: '^src/(image/|publish/(examination|take-small|split-job|intake-worker)\\.ts$)',
      },
      to: {
        path: '^src/image/(inspect|compression|gzip|bzip2|xz|zstd|tarball-examiner|tarball-scan|tar|squashfs|qcow2|unified)\\.ts$',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'threads-begin-with-their-worker',
      comment: 'what looks into files is loaded by threads only',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/publish/intake-worker\\.ts$' },
      to: {
        path: '^src/publish/(examination|take-small|split-job)\\.ts$',
        dependencyTypesNot: ['type-only'],
      },
    },
    only('blobs'),
    only('catalog'),
    only('config'),
    only('publish', 'image', 'blobs', 'catalog'),
    only('streams', 'image', 'blobs', 'catalog'),
    only('mirror', 'publish', 'image', 'blobs', 'catalog', 'streams', 'config'),
    only('ops', 'publish', 'image', 'blobs', 'catalog'),
    only('http', 'publish', 'image', 'blobs', 'catalog', 'streams', 'ops', 'mirror', 'config'),
    owner('koa', 'http/'),
    owner('@koa/router', 'http/'),
    owner('re2js', 'http/registry/'),
    owner('minio', 'blobs/'),
    owner('better-sqlite3', 'catalog/'),
    owner('kysely', 'catalog/'),
    owner('zod', 'config/', 'http/', 'publish/', 'image/'),
    owner('commander', 'cli/', 'main.ts'),
    owner('openpgp', 'mirror/'),
    owner('node-cron', 'mirror/', 'ops/'),
    owner('pino', 'ops/'),
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
