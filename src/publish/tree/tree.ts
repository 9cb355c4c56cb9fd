import { fileError } from '../../files/file-error.ts';
import type { ProductKey } from '../../model/names.ts';
import { readTreeDocuments } from './tree-documents.ts';
import { type FoundRequest, type TreeVersion, treeVersions } from './tree-versions.ts';
import type { TreeFailure } from './tree-walk.ts';

/** A version of a tree, or the reason of a failure. */
export type FoundVersion = FoundRequest | TreeFailure;

/** Tells whether a version is published already. */
export type Known = (product: ProductKey, serial: string) => boolean | Promise<boolean>;

/**
 * Finds the versions of a tree, to publish them in place: version directories at any depth
 * (`…/<os>/<release>/<architecture>/<variant>/<serial>/`: simplestream-maintainer, lxd-image-server), and versions that
 * only the tree's documents name (incus-simplestreams). Where documents and directories both describe a product, the
 * documents' aliases, titles, requirements, end of life and label apply.
 *
 * One bad version never stops the others. Reads only names and small text files, and nothing of a known version.
 * @throws HeadwaterError `not-found` or `invalid` when `directory` is not a readable directory
 */
export async function* findVersions(
  directory: string,
  options: { known?: Known } = {},
): AsyncGenerator<FoundVersion> {
  const documents = await readTreeDocuments(directory);
  for await (const version of treeVersions(directory, documents)) {
    if ('error' in version) yield version;
    else if (!(await options.known?.(version.product, version.serial))) yield await readVersion(version);
  }
}

async function readVersion(version: TreeVersion): Promise<FoundVersion> {
  try {
    return await version.read();
  } catch (error) {
    return {
      path: version.path,
      error: fileError(error, { path: version.path, doing: 'read', isInput: true }),
    };
  }
}
