import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { HeadwaterError } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { bundleFiles } from '../files.ts';

/** A package of the program, which lies beside the volumes of a bundle. */
export interface ProgramFile {
  path: string;
  /** Its name in the directory of the bundle. */
  name: string;
  /** Bytes. */
  size: number;
}

/**
 * Checks the file of a package.
 * @throws HeadwaterError `not-found`, `invalid`; `usage` when its name cannot stand beside the volumes
 */
export async function programFile(path: string): Promise<ProgramFile> {
  const found = await stat(path).catch((error: unknown) => {
    throw fileError(error, { path, doing: 'read', isInput: true });
  });
  if (!found.isFile()) throw new HeadwaterError('invalid', `${path}: is not a file`);
  const name = basename(path);
  const isTaken = Object.values<string>(bundleFiles).includes(name) || /\.\d{4}\.tar(\.partial)?$/.test(name);
  if (isTaken || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) {
    throw new HeadwaterError(
      'usage',
      `--with-headwater: the bundle cannot have a file of the name ${JSON.stringify(name)}: use letters, digits and ._-, such as headwater.tar.gz`,
    );
  }
  return { path, name, size: found.size };
}
