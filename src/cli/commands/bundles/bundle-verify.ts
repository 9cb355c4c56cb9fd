import type { Command } from 'commander';
import type { CheckSignature } from '../../../bundle/verify/open-bundle.ts';
import type { BundleReport } from '../../../bundle/verify/verify.ts';
import { HeadwaterError } from '../../../errors.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import type { Output } from '../../view/output.ts';
import { withProgress } from './bundle-progress.ts';
import { contentText, reportJson, reportText } from './bundle-report.ts';

interface KeyOptions {
  keyring?: string;
  unsigned?: boolean;
}

export function addInspect(bundle: Command, output: Output): void {
  const command = addKeyOptions(
    bundle
      .command('inspect')
      .summary('show what a bundle contains')
      .description(
        'Show the sites, the number, the volumes and the versions of a bundle; "-" reads a stream from standard input. Reads the manifest and checks its signature, and reads no images.',
      )
      .argument('<directory>', 'the directory of the bundle, or - for standard input'),
  ).action(async (directory: string, options: KeyOptions) => {
    const { openBundle, openStream } = await import('../../../bundle/verify/open-bundle.ts');
    const check = await signatureCheck(options);
    const opened =
      directory === '-'
        ? await openStream(process.stdin, 'standard input', check)
        : await openBundle(directory, check);
    if (wantsJson(command))
      output.json({ ...opened.content, identity: opened.identity, signedBy: opened.signedBy ?? null });
    else output.line(contentText(opened));
  });
  addExamples(command, ['headwater bundle inspect /media/stick/vault-7-0007 --keyring hq.gpg']);
}

export function addVerify(bundle: Command, output: Output): void {
  const command = addKeyOptions(
    bundle
      .command('verify')
      .summary('check every byte of a bundle')
      .description(
        'Check the signature, the volumes and every image of a bundle; "-" reads a stream from standard input. It needs no data directory, and continues after damage to report all of it. The exit code is 3 if anything is damaged or missing.',
      )
      .argument('<directory>', 'the directory of the bundle, or - for standard input'),
  ).action(async (directory: string, options: KeyOptions) => {
    const check = await signatureCheck(options);
    const { isWhole, verifyDirectory, verifyStream } = await import('../../../bundle/verify/verify.ts');
    const report =
      directory === '-'
        ? await verifyStream(process.stdin, 'standard input', check)
        : await withProgress(directory, (onBytes, onSize) =>
            verifyDirectory(directory, check, { onBytes, onSize }),
          );
    if (wantsJson(command)) output.json(reportJson(report));
    else output.line(reportText(report));
    if (!isWhole(report)) throw damagedBundle(report);
  });
  addExamples(command, [
    'headwater bundle verify /media/stick/vault-7-0007 --keyring hq.gpg',
    'diode-receive | headwater bundle verify - --keyring hq.gpg',
  ]);
}

function addKeyOptions(command: Command): Command {
  return command
    .option('--keyring <file>', 'public keys of the site that wrote the bundle, binary or armored')
    .option('--unsigned', 'do not check signatures');
}

async function signatureCheck({ keyring, unsigned }: KeyOptions): Promise<CheckSignature> {
  if ((keyring === undefined) === (unsigned !== true)) {
    throw new HeadwaterError(
      'usage',
      'missing --keyring: name the file with the public key of the site that wrote the bundle, or use --unsigned',
    );
  }
  if (keyring === undefined) return async () => undefined;
  const { Verifier } = await import('../../../keys/verifier.ts');
  const verifier = await Verifier.open(keyring);
  return async (bytes: Uint8Array, signature: Uint8Array, where: string) => {
    await verifier.detached(bytes, signature, where);
    return `a key of ${keyring}`;
  };
}

function damagedBundle({ bundle, volumes }: BundleReport): HeadwaterError {
  const { to, sequence, site, volumes: all } = bundle.content;
  const numbers = volumes.map(({ number }) => number);
  const which =
    numbers.length > 0 && numbers.length < all.count
      ? numbers.map((number) => ` --volume ${number}`).join('')
      : '';
  return new HeadwaterError(
    'invalid',
    `the bundle is damaged or incomplete. At ${site}, run "headwater bundle create --to ${to} --again ${sequence}${which} DIRECTORY"`,
  );
}
