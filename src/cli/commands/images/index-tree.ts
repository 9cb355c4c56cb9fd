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
      'Publish every version of a tree …/<os>/<release>/<architecture>/<variant>/<serial>/, or of a tree of incus-simplestreams. Nothing is moved, and on the same file system nothing is copied: do not change the files of the tree in place afterwards, or use --copy. Published versions are skipped, so you can run the command again at any time.',
    )
    .argument('<dir>', 'the tree')
    .option('--stream <name>', 'stream (default: images)')
    .option('--create-stream', 'create the stream if it does not exist')
    .option('--watch', 'keep running and publish new versions when their files are complete')
    .option('--copy', 'copy the files, if a program may change them in place')
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
