import type { Command } from 'commander';
import { HeadwaterError, messageOf } from '../../../errors.ts';
import type { RunResult } from '../../../mirror/run/report.ts';
import { defined } from '../../../model/defined.ts';
import { commandLineActor } from '../../backend/command-line-actor.ts';
import { chooseMirrors, configuredMirrors, withMirrorServices } from '../../backend/open-mirrors.ts';
import { type Target, targetOf, wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import { interruption, stopOnSignals } from '../../interruption.ts';
import type { Output } from '../../view/output.ts';
import { addDropAndHandOver } from './mirror-drop.ts';
import { addList, addStatus } from './mirror-status.ts';
import { addMirrorVerify } from './mirror-verify.ts';

interface RunFlags {
  dryRun?: boolean;
  force?: boolean;
}

export function addMirrorCommand(program: Command, output: Output): void {
  const mirror = program
    .command('mirror')
    .summary('copy from upstream image servers')
    .description(
      'Copy from upstream image servers, as defined by the files in the directory "mirrors" (mirrorDir). Each command takes the name of a mirror, and otherwise works on all enabled mirrors. With --server, it works on the mirrors of that server.',
    );
  addList(mirror, output);
  addPlan(mirror, output);
  addRun(mirror, output);
  addStatus(mirror, output);
  addMirrorVerify(mirror, output);
  addDropAndHandOver(mirror, output);
}

function addPlan(mirror: Command, output: Output): void {
  const command = mirror
    .command('plan')
    .summary('show what a run would do')
    .description('Read the upstream, and show what a run would add and retire. Changes nothing.')
    .argument('[name]', 'a mirror')
    .option('--force', 'accept older documents of the main address, and ignore maxShrink')
    .action(async (name: string | undefined, flags: RunFlags) => {
      stopOnSignals();
      await plan(command, output, name, flags);
    });
  addExamples(command, ['headwater mirror plan ubuntu', 'headwater mirror plan --json']);
}

function addRun(mirror: Command, output: Output): void {
  const command = mirror
    .command('run')
    .summary('download and publish the selected images')
    .description(
      'Download and publish the images that the definition selects, and retire versions outside "keep". A server on the same data directory announces each version as soon as it is complete. An interrupted run resumes where it stopped. With --server, the run takes place on that server, and continues if you interrupt this command.',
    )
    .argument('[name]', 'a mirror')
    .option('--dry-run', 'show what a run would do, as "mirror plan" does')
    .option(
      '--force',
      'read all documents again, accept older ones of the main address, and ignore maxShrink',
    )
    .action(async (name: string | undefined, flags: RunFlags) => {
      stopOnSignals();
      if (flags.dryRun === true) await plan(command, output, name, flags);
      else await run(command, output, name, flags);
    });
  addExamples(command, [
    'headwater mirror run ubuntu',
    'headwater mirror run --dry-run',
    'headwater mirror run ubuntu --force --json',
    'headwater mirror run ubuntu --server https://images.example.com:8443',
  ]);
}

async function plan(
  command: Command,
  output: Output,
  name: string | undefined,
  { force = false }: RunFlags,
): Promise<void> {
  assertLocal(targetOf(command));
  const { planMirror, configured } = await loadRuns(command);
  const { planJson, printPlan } = await import('../../view/mirror-views.ts');
  await withMirrorServices(configured.config, async (parts) => {
    for (const definition of chooseMirrors(configured, name)) {
      const planned = await planMirror(definition, parts, { force, signal: interruption });
      if (wantsJson(command)) output.json(planJson(definition, planned), 'line');
      else printPlan(output, definition, planned);
    }
  });
}

async function run(
  command: Command,
  output: Output,
  name: string | undefined,
  { force = false }: RunFlags,
): Promise<void> {
  const target = targetOf(command);
  const json = wantsJson(command);
  if (target.kind === 'remote') {
    const { RemoteMirrors } = await import('../../backend/remote-mirrors.ts');
    await RemoteMirrors.with(target, async (mirrors) => {
      const names = await mirrors.choose(name);
      await runEach(names, output, json, (one) => mirrors.run(one, { force, signal: interruption }));
    });
    return;
  }
  const { runMirror, configured } = await loadRuns(command);
  await withMirrorServices(configured.config, async (parts) => {
    await runEach(chooseMirrors(configured, name), output, json, async (definition) => {
      // Listing on demand downloads no files.
      const progress = definition.mode === 'scheduled' ? await openProgress() : undefined;
      return await runMirror(definition, parts, {
        cause: 'manual',
        force,
        requestedBy: commandLineActor(),
        signal: interruption,
        ...defined({ onPlan: progress?.onPlan, progress: progress?.report }),
      }).finally(() => progress?.close());
    });
  });
}

/** Runs mirrors one after the other, and prints the results. @throws the error of the first that failed */
async function runEach<Mirror>(
  mirrors: readonly Mirror[],
  output: Output,
  json: boolean,
  runOne: (mirror: Mirror) => Promise<RunResult & { error?: unknown }>,
): Promise<void> {
  const problems: unknown[] = [];
  for (const mirror of mirrors) {
    try {
      const result = await runOne(mirror);
      await print(output, result, json);
      if (result.error !== undefined) problems.push(result.error);
      else if (result.outcome === 'partial') problems.push(incomplete(result));
    } catch (error) {
      problems.push(error);
    }
    if (interruption.aborted) break;
  }
  if (problems.length === 0) return;
  // The first error decides the exit code; the others are warnings.
  for (const problem of problems.slice(1))
    output.warning(problem instanceof Error ? problem.message : String(problem));
  throw problems[0];
}

/** @throws HeadwaterError `usage` */
function assertLocal(target: Target): void {
  if (target.kind === 'local') return;
  throw new HeadwaterError(
    'usage',
    `--server ${target.server}: a plan needs a data directory. Use --data-dir or --config`,
  );
}

/** Loads slow modules in parallel: they take most of the time of a run without news. */
async function loadRuns(command: Command) {
  const [runs, configured] = await Promise.all([
    import('../../../mirror/run/run.ts'),
    configuredMirrors(command),
    import('../../../server/workspace.ts'),
  ]);
  return { ...runs, configured };
}

/** Progress bars, on a terminal only. */
async function openProgress() {
  if (process.stderr.isTTY !== true) return undefined;
  const { MirrorProgress } = await import('../../view/mirror-progress.ts');
  return new MirrorProgress();
}

async function print(output: Output, result: RunResult & { error?: unknown }, json: boolean): Promise<void> {
  const { error, ...rest } = result;
  if (json) {
    output.json({ ...rest, ...(error === undefined ? {} : { error: messageOf(error) }) }, 'line');
    return;
  }
  const { printResult } = await import('../../view/mirror-views.ts');
  printResult(output, rest);
}

function incomplete({ mirror, report }: RunResult): HeadwaterError {
  const what =
    report.failures > 0
      ? `${report.failures} of its versions failed`
      : 'its documents are inconsistent, or some could not be read';
  return new HeadwaterError(
    'unavailable',
    `mirror ${mirror} is incomplete: ${what}. The next run tries again`,
  );
}
