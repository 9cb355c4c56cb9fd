import type { BundleServices } from '../../../bundle/create/create.ts';
import type { WrittenBundle } from '../../../catalog/bundles/bundles.ts';
import { HeadwaterError, isKind } from '../../../errors.ts';
import { openStandardOutput } from '../../view/standard-output.ts';
import { withProgress } from './bundle-progress.ts';
import { createdText } from './create-report.ts';

/**
 * Writes a bundle to standard output, and records in the ledger that it is whole once all bytes were taken.
 * @returns what was written, for people
 */
export async function writeToStandardOutput(
  bundle: WrittenBundle,
  { catalog, store }: BundleServices,
): Promise<string> {
  const [{ bundleStream }, { gathered }] = await Promise.all([
    import('../../../bundle/create/stream.ts'),
    import('../../../bundle/create/gathered.ts'),
  ]);
  const output = await openStandardOutput();
  const { manifest, size, chunks } = bundleStream(bundle, { catalog, store });
  try {
    await withProgress('writing', async (onBytes, onSize) => {
      onSize(size);
      for await (const block of gathered(chunks)) {
        await output.write(block);
        onBytes(block.length);
      }
      await output.end();
    });
  } catch (error) {
    if (!isKind(error, 'unavailable', 'no-space')) throw error;
    throw new HeadwaterError(
      error.kind,
      `${error.message}. Bundle ${bundle.sequence} does not count as sent: run the command again`,
      { cause: error },
    );
  }
  await catalog.bundles.finish(bundle);
  return createdText({ directory: `bundle ${bundle.sequence}`, manifest, reused: 0 });
}
