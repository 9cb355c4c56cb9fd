import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { defined } from '../../model/defined.ts';
import { Downloader, type DownloaderOptions } from './downloader.ts';
import { readAuthorities } from './key-files.ts';

/** The part of a definition that says how to connect to the upstream. */
type UpstreamAddress = Pick<
  MirrorDefinition,
  'file' | 'url' | 'fallback' | 'redirects' | 'credentials' | 'concurrency' | 'bandwidth' | 'ca'
>;

/** Opens the connections to a mirror's upstream. @throws HeadwaterError `invalid` when its CA file cannot be read */
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
