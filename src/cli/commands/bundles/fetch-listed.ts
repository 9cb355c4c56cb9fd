import type { FetchBlobs } from '../../../bundle/create/next-bundle.ts';
import type { BlobReader } from '../../../bundle/create/parts.ts';
import type { Config } from '../../../config/schema.ts';
import { isUpstream } from '../../../config/sites/any-definition.ts';
import { messageOf } from '../../../errors.ts';
import type { StorageParts } from '../../backend/open-storage.ts';
import { readMirrors } from '../../read-mirrors.ts';
import { withProgress } from './bundle-progress.ts';

/**
 * Opens the mirrors, if files that they list on demand may be downloaded, and closes them afterwards.
 * @param work given the store to read from: with mirrors, files that another process evicts meanwhile are downloaded again
 */
export async function withFetch(
  config: Config,
  parts: StorageParts,
  isAllowed: boolean,
  work: (fetch: FetchBlobs | undefined, store: BlobReader) => Promise<void>,
): Promise<void> {
  if (!isAllowed) {
    await work(undefined, parts.store);
    return;
  }
  const [{ OnDemandStore }, { fetchAll }] = await Promise.all([
    import('../../../mirror/on-demand/on-demand-store.ts'),
    import('../../../mirror/on-demand/fetch-all.ts'),
  ]);
  const ignored = () => undefined;
  const onDemand = new OnDemandStore(
    (await readMirrors(config)).filter(isUpstream),
    { ...parts, dataDir: config.dataDir },
    {
      ...{ onFetched: ignored, onFailed: ignored, onEvicted: ignored },
      onError: (error) => void process.emitWarning(messageOf(error)),
    },
    { mayEvict: () => false },
  );
  try {
    await work(async (blobs) => {
      await withProgress('downloading', async (onBytes, onSize) => {
        onSize(blobs.reduce((sum, { size }) => sum + size, 0));
        await fetchAll(onDemand, blobs, onBytes);
      });
    }, onDemand);
  } finally {
    await onDemand.close();
  }
}
