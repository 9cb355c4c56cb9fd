import type { Command } from 'commander';
import { withBackend } from '../../backend/open-backend.ts';
import { wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import { interruption, stopOnSignals } from '../../interruption.ts';
import type { Output } from '../../view/output.ts';

interface Options {
  stream?: string;
  createStream?: boolean;
  watch?: boolean;
  copy?: boolean;
}

export function addIndexCommand(program: Command, output: Output): void {
  const command = program
    .command('index')
    .summary('publish every version of a tree')
    .description(
      'Publish every version of a tree …/<os>/<release>/<architecture>/<variant>/<serial>/, or of one that incus-simplestreams made. Nothing is moved, and on the same file system nothing is copied; files that are in the tree must not be changed afterwards. Versions that are published already are passed over, so the command can be run again and again.',
    )
    .argument('<dir>', 'the tree')
    .option('--stream <name>', 'stream (default: images)')
    .option('--create-stream', 'create the stream if it does not exist')
    .option('--watch', 'keep running and publish what appears, once it is complete')
    .option('--copy', 'copy the files, for a tree whose files may change')
    .action(async (directory: string, options: Options) => {
      stopOnSignals();
      const { TreeIndexer } = await import('../../tree-indexer.ts');
      await withBackend(command, { create: true }, async (backend) => {
        const indexer = new TreeIndexer(backend, { ...options, json: wantsJson(command), output });
        if (options.watch === true) await indexer.watch(directory, interruption);
        else await indexer.index(directory);
      });
    });
  addExamples(command, [
    'headwater index /srv/images',
    'headwater index /srv/drop --watch --stream nightly --create-stream',
    'headwater index /srv/images --copy --json',
  ]);
}
