import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { SourceFile } from '../../../src/publish/request.ts';
import type { FoundVersion } from '../../../src/publish/tree/tree.ts';
import type { FoundRequest } from '../../../src/publish/tree/tree-versions.ts';

/** A directory for one test, by its real path. */
export async function makeDirectory(): Promise<string> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'headwater-tree-')));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Writes files below a directory, and the directories that they are in. */
export async function writeFiles(root: string, files: Record<string, string>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  }
}

export function sha256(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}

/** The names of the files of a version; `expected` gives each with the digest that it must have. */
export function namesOf(files: SourceFile[]): string[] {
  return files.map(({ name }) => name);
}

export function digestsOf(files: SourceFile[]): Record<string, string | undefined> {
  return Object.fromEntries(
    files.map((file) => [file.name, file.from === 'disk' ? file.expectedDigest : undefined]),
  );
}

/** What a search of a tree gave: the versions that can be published, and the messages of those that cannot. */
export async function collect(
  versions: AsyncIterable<FoundVersion>,
): Promise<{ found: FoundRequest[]; failed: Record<string, string> }> {
  const found: FoundRequest[] = [];
  const failed: Record<string, string> = {};
  for await (const version of versions) {
    if ('error' in version) failed[version.path] = version.error.message;
    else found.push(version);
  }
  return { found, failed };
}

/** `os:release:architecture:variant@serial` of a version. */
export function nameOf({ request }: FoundRequest): string {
  const { os, release, architecture, variant, serial } = request;
  return `${os}:${release}:${architecture}:${variant}@${serial}`;
}
