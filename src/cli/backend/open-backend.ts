import type { Command } from 'commander';
import type { Config } from '../../config/schema.ts';
import { defined } from '../../model/defined.ts';
import { localTargetOf, type Target, targetOf } from '../global-options.ts';
import type { Backend } from './backend.ts';

// Only the code that is needed is loaded: most of a command's time is its start.

/** What a command shall work with, and the file it comes from. */
interface Found {
  config: Config;
  file: string | undefined;
}

async function configFor(
  target: Extract<Target, { kind: 'local' }>,
  assignments: readonly string[] = [],
): Promise<Found> {
  const { findConfigFile, loadConfig } = await import('../../config/load.ts');
  const file = target.config ?? findConfigFile();
  const overrides = {
    ...(assignments.length === 0
      ? {}
      : (await import('../../config/layers.ts')).parseAssignments(assignments)),
    ...defined({ dataDir: target.dataDir }),
  };
  const config = loadConfig({ ...defined({ file }), overrides, env: process.env });
  return { config, file };
}

/** The configuration for `serve` and `config check`. */
export async function localConfig(command: Command, assignments: readonly string[]): Promise<Found> {
  return await configFor(localTargetOf(command), assignments);
}

/**
 * Opens what the global options name, does the work and closes it.
 * @param options.create whether a data directory may be made where there is none
 */
export async function withBackend<Result>(
  command: Command,
  options: { create: boolean },
  work: (backend: Backend) => Promise<Result>,
): Promise<Result> {
  const target = targetOf(command);
  const backend = await open(target, options);
  try {
    return await work(backend);
  } finally {
    await backend.close();
  }
}

async function open(target: Target, options: { create: boolean }): Promise<Backend> {
  if (target.kind === 'remote') {
    const { RemoteBackend } = await import('./remote-backend.ts');
    return await RemoteBackend.open(target);
  }
  const { LocalBackend } = await import('./local-backend.ts');
  return await LocalBackend.open((await configFor(target)).config, options);
}
