import { stat } from 'node:fs/promises';
import { HeadwaterError } from '../errors.ts';
import { fileError } from '../files/file-error.ts';
import { defined } from '../model/defined.ts';
import type { PublishRequest } from '../publish/request.ts';
import { type BuildDirectory, readBuildDirectory } from '../publish/tree/build-directory.ts';

/** The details of a version that flags can give. */
export type PublishFlags = Omit<PublishRequest, 'files' | 'osTitle'>;

/**
 * The requests for the paths: one version of all files, or one version for each directory.
 * @throws HeadwaterError `usage` for a mix of files and directories; `not-found` or `invalid` for an unreadable path
 */
export async function readPublishRequests(paths: string[], flags: PublishFlags): Promise<BuildDirectory[]> {
  const kinds = await Promise.all(
    paths.map(async (path) => ({ path, isDirectory: await isDirectory(path) })),
  );
  const directories = kinds.filter((kind) => kind.isDirectory).map(({ path }) => path);
  if (directories.length === 0) {
    return [
      {
        request: { ...flags, files: paths.map((path) => ({ from: 'disk', name: path, path })) },
        warnings: [],
      },
    ];
  }
  if (directories.length < paths.length) {
    throw new HeadwaterError(
      'usage',
      'files and directories cannot be mixed: publish the files of one version, or directories',
    );
  }
  const { os, release, architecture, variant } = flags;
  const product = defined({ os, release, architecture, variant });
  return await Promise.all(
    directories.map(async (directory) => {
      const { request, warnings } = await readBuildDirectory(directory, { product });
      const aliases = [...(request.aliases ?? []), ...(flags.aliases ?? [])];
      const requirements = { ...request.requirements, ...flags.requirements };
      return { request: { ...request, ...flags, aliases, requirements }, warnings };
    }),
  );
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    throw fileError(error, { path, doing: 'list', isInput: true });
  }
}
