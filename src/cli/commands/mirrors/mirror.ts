import type { Command } from 'commander';
import { HeadwaterError, messageOf } from '../../../errors.ts';
import type { RunResult } from '../../../mirror/run/report.ts';
import { defined } from '../../../model/defined.ts';
import { chooseMirrors, configuredMirrors, withMirrorParts } from '../../backend/open-mirrors.ts';
import { type Target, targetOf, wantsJson } from '../../global-options.ts';
import { addExamples } from '../../help.ts';
import { interruption, stopOnSignals } from '../../interruption.ts';
import type { Output } from '../../view/output.ts';
import { addDropAndHandOver } from './mirror-drop.ts';
import { addList, addStatus } from './mirror-status.ts';

interface RunFlags {
  dryRun?: boolean;
  force?: boolean;
}

export function addMirrorCommand(program: Command, output: Output): void {
  const mirror = program
    .command('mirror')
    .summary('copy from upstream image servers')
    .description(
      'Copy from upstream image servers, as the files of the directory "mirrors" (mirrorDir) define it. Each command takes the name of a mirror; without one it means every mirror that is enabled. With --server, it is about the mirrors of that server.',
    );
  addList(mirror, output);
  addPlan(mirror, output);
  addRun(mirror, output);
  addStatus(mirror, output);
  addDropAndHandOver(mirror, output);
}

function addPlan(mirror: Command, output: Output): void {
  const command = mirror
    .command('plan')
    .summary('show what a run would do')
    .description('Read what the upstream offers, and show what a run would add and retire. Changes nothing.')
    .argument('[name]', 'a mirror')
    .option('--force', 'do without maxShrink')
    .action(async (name: string | undefined, flags: RunFlags) => {
      stopOnSignals();
      await plan(command, output, name, flags);
    });
  addExamples(command, ['headwater mirror plan ubuntu', 'headwater mirror plan --json']);
}

function addRun(mirror: Command, output: Output): void {
  const command = mirror
    .command('run')
    .summary('bring here what the upstream offers')
    .description(
      'Bring here what the upstream offers and the definition selects, publish it, and retire what is outside "keep". A server that runs on the same data directory announces each version as soon as it is whole. A run that was interrupted goes on where it stopped. With --server, that server runs it, and goes on when this command is interrupted.',
    )
    .argument('[name]', 'a mirror')
    .option('--dry-run', 'show what would be done, as "mirror plan" does')
    .option('--force', 'read everything anew, and do without maxShrink')
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
  await withMirrorParts(configured.config, async (parts) => {
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
  await withMirrorParts(configured.config, async (parts) => {
    await runEach(chooseMirrors(configured, name), output, json, async (definition) => {
      // What is only listed comes with no bytes.
      const progress = definition.mode === 'scheduled' ? await openProgress() : undefined;
      return await runMirror(definition, parts, {
        cause: 'manual',
        force,
        signal: interruption,
        ...defined({ onPlan: progress?.onPlan, progress: progress?.report }),
      }).finally(() => progress?.close());
    });
  });
}

/** Runs mirrors one after the other, and prints what they did. @throws what the first of them failed with */
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
  // The others are mentioned; the first one decides the exit code.
  for (const problem of problems.slice(1))
    output.warning(problem instanceof Error ? problem.message : String(problem));
  throw problems[0];
}

/** @throws HeadwaterError `usage` */
function assertLocal(target: Target): void {
  if (target.kind === 'local') return;
  throw new HeadwaterError(
    'usage',
    `--server ${target.server}: a plan is made on a data directory only: name it with --data-dir or --config`,
  );
}

/** What takes a while to load is loaded side by side: a run with nothing new takes hardly longer than that. */
async function loadRuns(command: Command) {
  const [runs, configured] = await Promise.all([
    import('../../../mirror/run/run.ts'),
    configuredMirrors(command),
    import('../../../server/workspace.ts'),
  ]);
  return { ...runs, configured };
}

/** On a terminal only; what draws there takes a while to load. */
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
      : 'its documents do not belong together, or not all of them can be used';
  return new HeadwaterError(
    'unavailable',
    `mirror ${mirror} is not complete: ${what}; the next run tries again`,
  );
}
