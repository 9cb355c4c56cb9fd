import { mkdir, mkdtemp, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const project = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Compiles folders of `src/` as they are now, for a test that runs them in a process of its own.
 * @param folders of `src/`; files right in `src/` always come along
 * @returns a new directory with the JavaScript, and with everything it imports from libraries
 */
export async function compiled(...folders: string[]): Promise<string> {
  const target = await mkdtemp(join(tmpdir(), 'headwater-compiled-'));
  await symlink(join(project, 'node_modules'), join(target, 'node_modules'));
  await writeFile(join(target, 'package.json'), '{"type":"module"}');
  for (const folder of ['.', ...folders]) {
    await mkdir(join(target, folder), { recursive: true });
    for (const file of await readdir(join(project, 'src', folder))) {
      if (!file.endsWith('.ts')) continue;
      const source = await readFile(join(project, 'src', folder, file), 'utf8');
      const { outputText } = ts.transpileModule(source, {
        compilerOptions: {
          target: ts.ScriptTarget.ES2022,
          module: ts.ModuleKind.ESNext,
          verbatimModuleSyntax: true,
          rewriteRelativeImportExtensions: true,
        },
      });
      await writeFile(join(target, folder, file.replace(/\.ts$/, '.js')), outputText);
    }
  }
  return target;
}
