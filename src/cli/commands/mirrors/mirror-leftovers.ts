import type { Command } from 'commander';
import { HeadwaterError } from '../../../errors.ts';
import { commandLineActor } from '../../backend/command-line-actor.ts';
import { chooseMirrors, configuredMirrors, withMirrorParts } from '../../backend/open-mirrors.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import type { Output } from '../../view/output.ts';

/** Adds what is to be done with what a mirror brought, once it is defined no more. */
export function addLeftovers(mirror: Command, output: Output): void {
  addDrop(mirror, output);
  addHandOver(mirror, output);
}

function addDrop(mirror: Command, output: Output): void {
  const command = mirror
    .command('drop')
    .summary('remove everything that a mirror brought')
    .description(
      'Remove every version that a mirror brought. Remove its file from the directory "mirrors" first, or set "enabled: false" in it: its next run would bring everything again.',
    )
    .argument('<name>', 'a mirror, defined or not')
    .action(async (name: string) => {
      const configured = await configuredMirrors(command);
      const definition = configured.definitions.find((one) => one.name === name);
      if (definition?.enabled === true) {
        throw new HeadwaterError(
          'conflict',
          `mirror ${name} would bring everything again: remove ${definition.file} first, or set "enabled: false" in it`,
        );
      }
      const { dropMirror } = await import('../../../mirror/run/drop-and-hand-over.ts');
      await withMirrorParts(configured.config, async (parts) => {
        const versions = await dropMirror(name, parts, commandLineActor());
        if (wantsJson(command)) output.json({ mirror: name, removed: versions });
        else output.line(`${versions} versions of mirror ${name} removed`);
      });
    });
  addExamples(command, ['headwater mirror drop ubuntu']);
}

function addHandOver(mirror: Command, output: Output): void {
  const command = mirror
    .command('hand-over')
    .summary('give what a mirror brought to another mirror')
    .description(
      'Give everything that a mirror brought to another mirror, after its file was renamed or two were made one. The next run of the other goes on from there; both need the same "stream".',
    )
    .argument('<name>', 'the mirror that brought it, defined or not')
    .argument('<to>', 'the mirror that shall have it')
    .action(async (name: string, to: string) => {
      const configured = await configuredMirrors(command);
      chooseMirrors(configured, to);
      const { handOver } = await import('../../../mirror/run/drop-and-hand-over.ts');
      await withMirrorParts(configured.config, async (parts) => {
        const products = await handOver(name, to, parts, commandLineActor());
        if (wantsJson(command)) output.json({ mirror: name, to, products });
        else output.line(`${products} products of mirror ${name} belong to mirror ${to} now`);
      });
    });
  addExamples(command, ['headwater mirror hand-over ubuntu ubuntu-cloud']);
}
