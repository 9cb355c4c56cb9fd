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
  const downloader = await openDownloader(definition, options);
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
  return { documents, downloads, close: () => downloader.close() };
}
