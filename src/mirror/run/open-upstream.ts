import type { BlobStore } from '../../blobs/blob-store.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { defined } from '../../model/defined.ts';
import type { LocalDestination } from '../../publish/destination/local-destination.ts';
import { BlobDownloads } from '../download/blob-downloads.ts';
import { downloadsDirectory } from '../download/download-directories.ts';
import { UpstreamDocuments } from '../upstream/documents.ts';
import { Downloader, type DownloaderOptions } from '../upstream/downloader.ts';
import { readAuthorities } from '../upstream/key-files.ts';
import { Verifier } from '../upstream/signature.ts';

/** What a mirror works on. */
export interface MirrorParts {
  catalog: Catalog;
  store: BlobStore;
  destination: LocalDestination;
  /** Where files lie that are being fetched: `dataDir`. */
  dataDir: string;
}

/** An upstream that can be asked. */
export interface OpenUpstream {
  documents: UpstreamDocuments;
  downloads: BlobDownloads;
  close(): Promise<void>;
}

/**
 * Makes ready what a mirror needs of its upstream; nothing is asked yet.
 * @throws HeadwaterError `invalid` when a file that the definition names cannot be read
 */
export async function openUpstream(
  definition: MirrorDefinition,
  parts: MirrorParts,
  options: DownloaderOptions & { mayBeStored?: boolean },
): Promise<OpenUpstream> {
  const downloader = await openDownloader(definition, options);
  const { keyring } = definition;
  const documents = new UpstreamDocuments({
    source: downloader,
    verifier: async () => (keyring === undefined ? undefined : await Verifier.open(keyring)),
  });
  const { catalog, store, destination } = parts;
  const directory = downloadsDirectory(parts.dataDir);
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

/** What a definition says of the connections to its upstream. */
export type UpstreamAddress = Pick<
  MirrorDefinition,
  'file' | 'url' | 'fallback' | 'redirects' | 'credentials' | 'concurrency' | 'bandwidth' | 'ca'
>;

/** The connections to a mirror's upstream. @throws HeadwaterError `invalid` when its CA file cannot be read */
export async function openDownloader(
  definition: UpstreamAddress,
  options: DownloaderOptions = {},
): Promise<Downloader> {
  const { url, fallback, redirects, credentials, concurrency, bandwidth } = definition;
  const ca = definition.ca === undefined ? undefined : await readAuthorities(definition, definition.ca);
  return new Downloader(
    {
      bases: [url, ...fallback],
      concurrency,
      ...defined({ redirects, ca, credentials, bandwidth }),
    },
    options,
  );
}
