import { type Command, Option } from 'commander';
import { HeadwaterError } from '../../../errors.ts';
import { defined } from '../../../model/defined.ts';
import type { Published } from '../../../publish/request.ts';
import { withBackend } from '../../backend/open-backend.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples, collect } from '../../help.ts';
import { stopOnSignals } from '../../interruption.ts';
import type { PublishFlags } from '../../publish-requests.ts';
import { humanSize } from '../../view/human.ts';
import type { Output } from '../../view/output.ts';

/** The options as commander parses them. */
type Options = Omit<PublishFlags, 'architecture' | 'aliases' | 'requirements'> & {
  arch?: string;
  alias?: string[];
  requirement?: string[];
};

export function addPublishCommand(program: Command, output: Output): void {
  const command = program
    .command('publish')
    .summary('publish a version')
    .description(
      'Publish a version of an image: metadata and roots, a unified tarball, a bare root filesystem tarball, or the output directory of an image builder. File types are detected from content, not from names. Values that the flags do not give come from metadata.yaml or from the root filesystem. If a flag and the files disagree, the flag is used, with a warning; only the architecture must agree.',
    )
    .argument('<file|dir...>', 'the files of one version, or directories with one version each')
    .option('--os <name>', 'distribution, such as debian')
    .option('--release <name>', 'release, such as bookworm')
    .option('--arch <name>', 'architecture, such as amd64 or x86_64')
    .option('--variant <name>', 'variant (default: default)')
    .option(
      '--serial <serial>',
      'version, as YYYYMMDD_HHMM in UTC (default: from metadata.yaml, or the current minute)',
    )
    .option('--stream <name>', 'stream (default: images)')
    .option('--create-stream', 'create the stream if it does not exist')
    .addOption(
      new Option(
        '--alias <name>',
        'additional alias, besides os/release and os/release/variant (repeatable)',
      ).argParser(collect),
    )
    .option('--title <text>', 'display name of the release')
    .option('--label <text>', 'label (default: release)')
    .option('--eol <date>', 'end of support, as YYYY-MM-DD')
    .addOption(
      new Option(
        '--requirement <key=value>',
        'requirement of instances, such as secureboot=false (repeatable)',
      ).argParser(collect),
    )
    .action(async (paths: string[], options: Options) => {
      stopOnSignals();
      const { readPublishRequests } = await import('../../publish-requests.ts');
      const { ProgressBar } = await import('../../view/progress-bar.ts');
      const requests = await readPublishRequests(paths, flagsOf(options));
      await withBackend(command, { create: true }, async (backend) => {
        for (const { request, warnings } of requests) {
          for (const warning of warnings) output.warning(warning);
          const bar = new ProgressBar();
          const published = await backend.publish(request, bar.report).finally(() => bar.close());
          for (const warning of published.warnings) output.warning(warning);
          if (wantsJson(command)) output.json(published, 'line');
          else output.line(describe(published));
        }
      });
    });
  addExamples(command, [
    'headwater publish metadata.tar.xz rootfs.squashfs',
    'headwater publish rootfs.tar.xz --os debian --release bookworm --alias team/base',
    'headwater publish metadata.tar.xz disk.qcow2 --requirement secureboot=false',
    'headwater publish ./build --stream nightly --create-stream',
    'headwater publish rootfs.tar.gz --server https://images.example.com:8443 --json',
  ]);
}

function flagsOf({ arch, alias, requirement, ...flags }: Options): PublishFlags {
  return {
    ...flags,
    ...defined({ architecture: arch, aliases: alias }),
    ...(requirement === undefined
      ? {}
      : { requirements: Object.fromEntries(requirement.map(parseRequirement)) }),
  };
}

function parseRequirement(text: string): [string, string] {
  const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined) {
    throw new HeadwaterError('usage', `--requirement ${text}: expected key=value, such as secureboot=false`);
  }
  return [key, value];
}

function describe({ outcome, product, serial, stream, aliases, images }: Published): string {
  const result =
    outcome === 'created'
      ? `published in the stream ${stream}`
      : 'already exists with the same files; nothing changed';
  return [
    `${product}@${serial} ${result}`,
    ...images.map(
      ({ type, file, size, fingerprint }) =>
        `  ${type}, ${humanSize(size)}, from ${file}: fingerprint ${fingerprint}`,
    ),
    ...(aliases.length === 0 ? [] : [`  aliases: ${aliases.join(', ')}`]),
  ].join('\n');
}
