import type { BundleServices, CreatedBundle } from '../../../bundle/create/create.ts';
import type { ProgramFile } from '../../../bundle/create/program-file.ts';
import type { BundleReport } from '../../../bundle/verify/verify.ts';
import type { WrittenBundle } from '../../../catalog/bundles/bundles.ts';
import { HeadwaterError } from '../../../errors.ts';
import { defined } from '../../../model/defined.ts';
import { withProgress } from './bundle-progress.ts';

/** Writes a bundle, reads it back, and records in the ledger that it is whole. */
export async function writeToDirectory(
  bundle: WrittenBundle,
  target: string,
  services: BundleServices,
  options: { readBack: boolean; volumes?: readonly number[]; program?: ProgramFile },
): Promise<CreatedBundle> {
  const { writeBundle } = await import('../../../bundle/create/create.ts');
  const { isWhole, verifyDirectory } = await import('../../../bundle/verify/verify.ts');
  const { volumes, program } = options;
  const created = await withProgress(
    'writing',
    async (onBytes, onSize) =>
      await writeBundle(bundle, target, services, { onBytes, onSize, ...defined({ volumes, program }) }),
  );
  if (options.readBack) {
    const report = await withProgress(
      'reading back',
      async (onBytes, onSize) =>
        await verifyDirectory(created.directory, async () => undefined, {
          onBytes,
          onSize,
          ...defined({ volumes }),
        }),
    );
    if (!isWhole(report, volumes)) {
      throw new HeadwaterError(
        'unavailable',
        `${created.directory}: the medium returned other bytes than were written: ${firstProblem(report)}. Use another medium`,
      );
    }
  }
  // Some volumes of a bundle that was never finished do not make it whole.
  if (volumes === undefined) await services.catalog.bundles.finish(bundle);
  return created;
}

function firstProblem({ problems, volumes }: BundleReport): string {
  const [volume] = volumes;
  return (
    problems[0] ?? (volume === undefined ? 'a file is damaged' : `${volume.name}: ${volume.problems[0]}`)
  );
}
