import type { Command } from 'commander';
import { HeadwaterError } from '../../../errors.ts';
import { commandLineActor } from '../../backend/command-line-actor.ts';
import { configuredMirrors, findMirror, withMirrorServices } from '../../backend/open-mirrors.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import type { Output } from '../../view/output.ts';

/** Adds the commands for the versions of a mirror that is no longer wanted. */
export function addDropAndHandOver(mirror: Command, output: Output): void {
  addDrop(mirror, output);
  addHandOver(mirror, output);
}

function addDrop(mirror: Command, output: Output): void {
  const command = mirror
    .command('drop')
    .summary('remove the versions of a mirror')
    .description(
      'Remove every version of a mirror, or with --not-downloaded only those that were listed on demand and never downloaded. Delete the file of the mirror first, or set "enabled: false" in it; otherwise its next run would add the versions again.',
    )
    .argument('<name>', 'a mirror, with or without a definition')
    .option('--not-downloaded', 'keep versions whose files are stored')
    .action(async (name: string, flags: { notDownloaded?: boolean }) => {
      const configured = await configuredMirrors(command);
      const definition = configured.definitions.find((one) => one.name === name);
      if (definition?.enabled === true) {
        throw new HeadwaterError(
          'conflict',
          `mirror ${name} would add the versions again: delete ${definition.file} first, or set "enabled: false" in it`,
        );
      }
      const { dropMirror } = await import('../../../mirror/run/drop-and-hand-over.ts');
      await withMirrorServices(configured.config, async (parts) => {
        const versions = await dropMirror(name, parts, commandLineActor(), {
          onlyNotDownloaded: flags.notDownloaded === true,
        });
        if (wantsJson(command)) output.json({ mirror: name, removed: versions });
        else output.line(`removed ${versions} version${versions === 1 ? '' : 's'} of mirror ${name}`);
      });
    });
  addExamples(command, ['headwater mirror drop ubuntu', 'headwater mirror drop ubuntu --not-downloaded']);
}

function addHandOver(mirror: Command, output: Output): void {
  const command = mirror
    .command('hand-over')
    .summary('give the versions of a mirror to another mirror')
    .description(
      'Give the versions of a mirror to another mirror, after its definition was renamed, or merged into that of the other mirror. The next run of the other mirror continues with these versions. Both need the same "stream".',
    )
    .argument('<name>', 'the mirror that has the versions, with or without a definition')
    .argument('<to>', 'the mirror that gets them')
    .action(async (name: string, to: string) => {
      const configured = await configuredMirrors(command);
      findMirror(configured, to);
      const { handOver } = await import('../../../mirror/run/drop-and-hand-over.ts');
      await withMirrorServices(configured.config, async (parts) => {
        const products = await handOver(name, to, parts, commandLineActor());
        if (wantsJson(command)) output.json({ mirror: name, to, products });
        else output.line(`${products} products of mirror ${name} now belong to mirror ${to}`);
      });
    });
  addExamples(command, ['headwater mirror hand-over ubuntu ubuntu-cloud']);
}
