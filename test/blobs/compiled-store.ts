import { chmod, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { onTestFinished } from 'vitest';

const project = fileURLToPath(new URL('../..', import.meta.url));

/**
 * A store as a module of its own, for processes that begin without TypeScript; until the test ends. Every user may read it.
 * @param file of `src/blobs/`
 * @returns the path of the module
 */
export async function compileStore(file: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-compiled-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  await chmod(directory, 0o755);
  await symlink(join(project, 'node_modules'), join(directory, 'node_modules'));
  const path = join(directory, 'store.mjs');
  await build({
    entryPoints: [join(project, 'src/blobs', file)],
    outfile: path,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
  });
  return path;
}
