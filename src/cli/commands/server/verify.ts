import type { Command } from 'commander';
import { HeadwaterError } from '../../../errors.ts';
import { localConfig } from '../../backend/open-backend.ts';
import { withStorage } from '../../backend/open-storage.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
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
      'Check that every blob that the catalog needs is in the store with its size. With --read, also read every blob, compare it with its SHA-256, and compute the fingerprint of every image. It is safe while a server runs. The exit code is 3 if a blob is missing or damaged, or if an image is listed under a wrong fingerprint, even if --repair has corrected it.',
    )
    .option('--read', 'read all bytes')
    .option(
      '--repair',
      'set damaged blobs aside, so that requests for them get 503 and no wrong bytes, and list images under their right fingerprints',
    )
    .action(async ({ read = false, repair = false }: VerifyFlags) => {
      const { config } = await localConfig(command, []);
      const { verifyHeld } = await import('../../../ops/verify/verify.ts');
      const isJson = wantsJson(command);
      const bar = new ProgressBar();
      const report = await withStorage(config, async (services) =>
        verifyHeld(services, {
          read,
          repair,
          onProgress: ({ done, total }) => bar.report({ file: 'verify', done, total }),
          ...(isJson
            ? {}
            : {
                onLost: (blob) => output.line(lostLine(blob)),
                onWrongFingerprint: (image) => output.line(fingerprintLine(image)),
              }),
        }),
      ).finally(() => bar.close());
      const summary = summaryOf(report, { read });
      const next = nextSteps(report, { read, repair });
      if (isJson) output.json({ read, repair, ...report, next });
      else if (report.lost.length + report.fingerprints.length === 0) output.line(summary);
      for (const step of isJson ? [] : next) output.note(step);
      if (report.lost.length + report.fingerprints.length > 0) throw new HeadwaterError('invalid', summary);
    });
  addExamples(command, ['headwater verify', 'headwater verify --read', 'headwater verify --read --repair']);
}
