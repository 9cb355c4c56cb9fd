import type { Command } from 'commander';
import { HeadwaterError } from '../../../errors.ts';
import { localConfig } from '../../backend/open-backend.ts';
import { withStorage } from '../../backend/open-storage.ts';
import { type Target, targetOf, wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import { throwIfInterrupted } from '../../interruption.ts';
import type { Output } from '../../view/output.ts';
import { ProgressBar } from '../../view/progress-bar.ts';
import { fingerprintLine, lostLine, nextSteps, summaryOf } from '../../view/verify-report.ts';

interface VerifyFlags {
  read?: boolean;
  repair?: boolean;
}

export function addVerifyCommand(program: Command, output: Output): void {
  const command = program
    .command('verify')
    .summary('check the stored blobs and the fingerprints of images')
    .description(
      'Check that every blob that the catalog needs is in the store with its size. With --read, also read every blob, compare it with its SHA-256, and compute the fingerprint of every image. It is safe while a server runs. With --server, the server begins a scrub, which has the effects of --read and --repair, and the command waits for its end; if a scrub is not finished yet, the command waits for that one. The token must allow admin. The exit code is 3 if a blob is missing or damaged, or if an image is listed under a wrong fingerprint, even if --repair has corrected it.',
    )
    .option('--read', 'read all bytes')
    .option(
      '--repair',
      'set damaged blobs aside, so that requests for them get 503 and no wrong bytes, and list images under their right fingerprints',
    )
    .action(async ({ read = false, repair = false }: VerifyFlags) => {
      const target = targetOf(command);
      const isJson = wantsJson(command);
      const bar = new ProgressBar();
      const found = await (target.kind === 'remote'
        ? verifyThere(target, bar, isJson ? undefined : output)
        : verifyHere(command, { read, repair }, bar, isJson ? undefined : output)
      ).finally(() => bar.close());
      const { report, flags } = found;
      const summary = summaryOf(report, flags);
      const next = nextSteps(report, flags);
      const isFine = report.lost.length + report.fingerprints.length === 0;
      if (isJson) output.json({ ...flags, ...report, next });
      else if (isFine) output.line(summary);
      for (const step of isJson ? [] : next) output.note(step);
      if (!isFine) throw new HeadwaterError('invalid', summary);
    });
  addExamples(command, [
    'headwater verify',
    'headwater verify --read',
    'headwater verify --read --repair',
    'headwater verify --server https://images.example.com:8443',
  ]);
}

/** Checks the store of a data directory. @param output receives each finding; undefined to print none */
async function verifyHere(
  command: Command,
  flags: Required<VerifyFlags>,
  bar: ProgressBar,
  output: Output | undefined,
) {
  const { config } = await localConfig(command, []);
  const { verifyHeld } = await import('../../../ops/verify/verify.ts');
  const report = await withStorage(config, async (services) =>
    verifyHeld(services, {
      ...flags,
      onProgress: ({ done, total }) => bar.report({ file: 'verify', done, total }),
      onLost: (blob) => output?.line(lostLine(blob)),
      onWrongFingerprint: (image) => output?.line(fingerprintLine(image)),
    }),
  );
  return { report, flags };
}

/** Lets a server scrub its store. @param output receives the findings at the end; undefined to print none */
async function verifyThere(
  target: Extract<Target, { kind: 'remote' }>,
  bar: ProgressBar,
  output: Output | undefined,
) {
  const [{ ApiClient }, { followScrub }] = await Promise.all([
    import('../../backend/api-client.ts'),
    import('../../backend/remote-scrub.ts'),
  ]);
  const scrub = await ApiClient.with(target, async (client) => {
    let problem: string | undefined;
    return await followScrub(client, ({ round, total }) => {
      throwIfInterrupted();
      bar.report({ file: 'verify', done: round.bytes + (round.reading ?? 0), total });
      if (round.problem !== undefined && round.problem !== problem) {
        output?.warning(`the scrub does not continue now: ${round.problem}`);
      }
      problem = round.problem;
    });
  });
  for (const blob of scrub.lost) output?.line(lostLine(blob));
  for (const image of scrub.wrong) output?.line(fingerprintLine(image));
  const { blobs, bytes, damaged, missing, lost, startedAt, finishedAt } = scrub;
  const counts = { damaged, missing, fingerprints: scrub.fingerprints };
  const report = { blobs, bytes, lost, fingerprints: scrub.wrong, counts, startedAt, finishedAt };
  return { report, flags: { read: true, repair: true } };
}
