import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { Verifier } from '../../keys/verifier.ts';
import { BlobDownloads } from '../download/blob-downloads.ts';
import { downloadsDirectory } from '../download/download-directories.ts';
import type { MirrorServices } from '../mirror-services.ts';
import { UpstreamDocuments } from '../upstream/documents.ts';
import type { DownloaderOptions } from '../upstream/downloader.ts';
import { openDownloader } from '../upstream/open-downloader.ts';

/** The documents and files of an upstream. */
export interface OpenUpstream {
  documents: UpstreamDocuments;
  downloads: BlobDownloads;
  /** The address that a file came from, by its path; undefined if it was not downloaded. */
  servedBy: (path: string) => string | undefined;
  close(): Promise<void>;
}

/**
 * Opens the upstream of a mirror; no request is made yet.
 * @throws HeadwaterError `invalid` when a file that the definition names cannot be read
 */
export async function openUpstream(
  definition: MirrorDefinition,
  services: MirrorServices,
  options: DownloaderOptions & { mayBeStored?: boolean },
): Promise<OpenUpstream> {
  const served = new Map<string, string>();
  const downloader = await openDownloader(definition, {
    ...options,
    onServed: (path, base) => served.set(path, base),
  });
  const { keyring } = definition;
  const documents = new UpstreamDocuments({
    source: downloader,
    verifier: async () => (keyring === undefined ? undefined : await Verifier.open(keyring)),
  });
  const { catalog, store, destination } = services;
  const directory = downloadsDirectory(services.dataDir);
  const { concurrency } = definition;
  const downloads = new BlobDownloads({
    catalog,
    store,
    destination,
    downloader,
    directory,
    concurrency,
    mayBeStored: options.mayBeStored ?? true,
  });
  const servedBy = (path: string) => served.get(path);
  return { documents, downloads, servedBy, close: () => downloader.close() };
}
