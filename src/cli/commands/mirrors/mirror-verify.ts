import type { Command } from 'commander';
import type { MirrorDefinition } from '../../../config/mirror-schema.ts';
import { HeadwaterError, messageOf } from '../../../errors.ts';
import { defined } from '../../../model/defined.ts';
import { commandLineActor } from '../../backend/command-line-actor.ts';
import {
  chooseMirrors,
  configuredMirrors,
  type OpenMirrors,
  withMirrorServices,
} from '../../backend/open-mirrors.ts';
import { targetOf, wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import { interruption, stopOnSignals, throwIfInterrupted } from '../../interruption.ts';
import {
  type MirrorCheck,
  mirrorNextSteps,
  mirrorSummary,
  verdictCounts,
  verdictLine,
} from '../../view/mirror-verify-report.ts';
import type { Output } from '../../view/output.ts';

interface VerifyFlags {
  /** true without a percentage. */
  read?: string | true;
  repair?: boolean;
}

/** Which files are read: how many percent of them today. */
interface Reading {
  percent: number;
  repair: boolean;
}

export function addMirrorVerify(mirror: Command, output: Output): void {
  const command = mirror
    .command('verify')
    .summary('prove where mirrored versions come from, and check their files')
    .description(
      'Check each version of mirrors against the document of the upstream that was kept with it: the signature is verified again with the keyring, and the digests in the catalog must be those that were signed. Also check that each file is in the store with its size, and with --read its bytes. The results are: proven, site (only the site that sent a bundle vouches for it), unproven, damaged, missing. If the key of the upstream has expired since the document was fetched, the version is "proven (key expired since)". The exit code is 3 if a version is damaged or missing at the end. It is safe while a server runs.',
    )
    .argument('[name]', 'a mirror; all enabled mirrors if omitted')
    .option(
      '--read [percent]',
      'read the files, and compute their digests and fingerprints. --read=2 reads 2 % of them, others each day, so that 50 days read all',
    )
    .option('--repair', 'set damaged files aside, and run the mirror to fetch lost files again')
    .action(async (name: string | undefined, flags: VerifyFlags) => {
      stopOnSignals();
      const target = targetOf(command);
      if (target.kind === 'remote') {
        throw new HeadwaterError(
          'usage',
          `--server ${target.server}: "mirror verify" needs a data directory. Use --data-dir or --config`,
        );
      }
      const reading = { percent: percentOf(flags.read), repair: flags.repair === true };
      const configured = await configuredMirrors(command);
      const isJson = wantsJson(command);
      const failed: string[] = [];
      await withMirrorServices(configured.config, async (parts) => {
        for (const definition of chooseMirrors(configured, name)) {
          const check = await verifyOne(definition, parts, reading);
          print(output, check, isJson);
          const { damaged, missing } = verdictCounts(check.versions);
          if (damaged + missing > 0) failed.push(mirrorSummary(check));
        }
      });
      if (failed.length > 0) throw new HeadwaterError('invalid', failed.join('; '));
    });
  addExamples(command, [
    'headwater mirror verify',
    'headwater mirror verify ubuntu --read',
    'headwater mirror verify ubuntu --read=2 --json',
    'headwater mirror verify ubuntu --read --repair',
  ]);
}

/** Checks a mirror, and with `repair` fetches what is lost and checks that once more. */
async function verifyOne(
  definition: MirrorDefinition,
  parts: OpenMirrors,
  { percent, repair }: Reading,
): Promise<MirrorCheck> {
  const [{ isReadToday, verifyMirror }, { verifyBlob }] = await Promise.all([
    import('../../../mirror/evidence/verify-mirror.ts'),
    import('../../../ops/verify/verify.ts'),
  ]);
  const services = { ...parts, catalog: parts.catalog.by(commandLineActor()) };
  const now = new Date();
  const check = (only?: ReadonlySet<string>, mayRepair = repair) =>
    verifyMirror(definition, services, {
      checkBlob: (digest) => {
        const read = percent > 0 && isReadToday(digest, percent, now);
        return verifyBlob(services, digest, { read, repair: mayRepair });
      },
      onChecked: throwIfInterrupted,
      ...(only === undefined ? {} : { only: (version) => only.has(keyOf(version)) }),
    });
  const result = { mirror: definition.name, read: percent > 0, repair, repaired: 0 };
  const versions = await check();
  const lost = versions.filter(({ isFetchable }) => isFetchable);
  if (!repair || lost.length === 0) return { ...result, versions };
  const { runMirror } = await import('../../../mirror/run/run.ts');
  const { error } = await runMirror(definition, parts, {
    cause: 'manual',
    requestedBy: commandLineActor(),
    signal: interruption,
  });
  const again = new Map(
    (await check(new Set(lost.map(keyOf)), false)).map((version) => [keyOf(version), version]),
  );
  const repaired = lost.filter((version) => again.get(keyOf(version))?.isFetchable === false).length;
  const after = versions.map((version) => again.get(keyOf(version)) ?? version);
  const problem = error === undefined ? undefined : messageOf(error);
  return { ...result, repaired, versions: after, ...defined({ problem }) };
}

function print(output: Output, check: MirrorCheck, isJson: boolean): void {
  const next = mirrorNextSteps(check);
  if (isJson) {
    const { versions, ...rest } = check;
    const shown = versions.map(({ isFetchable, isUnrecorded, ...version }) => version);
    output.json({ ...rest, counts: verdictCounts(versions), versions: shown, next }, 'line');
    return;
  }
  for (const version of check.versions) {
    if (version.result !== 'proven' || version.expired !== undefined) output.line(verdictLine(version));
  }
  output.line(mirrorSummary(check));
  for (const step of next) output.note(step);
}

/** @throws HeadwaterError `usage` */
function percentOf(read: string | true | undefined): number {
  if (read === undefined) return 0;
  if (read === true) return 100;
  const percent = Number(read);
  if (percent > 0 && percent <= 100) return percent;
  throw new HeadwaterError(
    'usage',
    `--read ${read}: expected a percentage, such as --read=2. Write the name of a mirror before --read`,
  );
}

function keyOf({ product, serial }: { product: string; serial: string }): string {
  return `${product}@${serial}`;
}
