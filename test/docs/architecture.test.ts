import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const page = 'docs/architecture.md';
const text = readFileSync(page, 'utf8');
const [, tree = ''] = /^```\nsrc\/\n(.*?)^```$/ms.exec(text) ?? [];
const prose = text.replaceAll(/^```.*?^```$/gms, '');

/** The paths in the drawing of the tree: an entry belongs to the folder above it that is indented less. */
function drawnPaths(): string[] {
  const parents: string[] = [];
  return tree.split('\n').flatMap((line) => {
    const [, indent = '', name] = /^((?: {2})+)(\S+) +\S/.exec(line) ?? [];
    if (name === undefined) return [];
    const depth = indent.length / 2 - 1;
    parents.splice(depth, Infinity, name);
    return [join('src', ...parents)];
  });
}

const entries = readdirSync('src', { recursive: true, withFileTypes: true }).map((entry) => ({
  path: join(entry.parentPath, entry.name),
  parent: entry.parentPath,
  isFolder: entry.isDirectory(),
}));
const folders = entries.filter(({ isFolder }) => isFolder).map(({ path }) => path);

test('the drawing of the tree shows every folder of src and every file at its top, and nothing else', () => {
  const top = entries.filter(({ isFolder, parent }) => !isFolder && parent === 'src').map(({ path }) => path);
  const drawn = drawnPaths().map((path) => path.replace(/\/$/, ''));
  expect(drawn.sort()).toEqual([...folders, ...top].sort());
});

const named = [
  ...new Set([...prose.matchAll(/`([\w./-]+(?:\.(?:ts|cjs|c)|\/))`/g)].map(([, name = '']) => name)),
];

test('the journeys name files', () => {
  expect(named.length).toBeGreaterThan(100);
});

test.each(named)('%s exists, in src or in the project', (name) => {
  expect(existsSync(join('src', name)) || existsSync(name)).toBe(true);
});

const decisions = readdirSync('docs/decisions').map((name) => join('docs/decisions', name));

test.each(decisions)('the source files that %s names exist', (decision) => {
  for (const [, name = ''] of readFileSync(decision, 'utf8').matchAll(/`([\w-]+\/[\w./-]+\.ts)`/g))
    expect(existsSync(join('src', name)) || existsSync(name), name).toBe(true);
});

test.each(folders)('%s has at most 17 files', (folder) => {
  const files = entries.filter(({ isFolder, parent }) => !isFolder && parent === folder);
  expect(files.length).toBeLessThanOrEqual(17);
});
