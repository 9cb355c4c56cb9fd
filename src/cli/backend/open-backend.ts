import type { Command } from 'commander';
import type { Config } from '../../config/schema.ts';
import { defined } from '../../model/defined.ts';
import { localTargetOf, type Target, targetOf } from '../global-options.ts';
import type { Backend } from './backend.ts';

// Imports are lazy: most of a command's time is its start.

/** The configuration of a command, and its file. */
interface LoadedConfig {
  config: Config;
  file: string | undefined;
}

async function configFor(
  target: Extract<Target, { kind: 'local' }>,
  assignments: readonly string[] = [],
): Promise<LoadedConfig> {
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
export async function localConfig(command: Command, assignments: readonly string[]): Promise<LoadedConfig> {
  return await configFor(localTargetOf(command), assignments);
}

/**
 * Opens the target of the global options, does the work and closes it.
 * @param options.create whether a missing data directory is created
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

/** The URL of the server for clients: the one that the command uses, or that of the configuration. */
export async function clientUrl(command: Command): Promise<string> {
  const target = targetOf(command);
  if (target.kind === 'remote') return target.server.replace(/\/+$/, '');
  const { serverUrl } = await import('../view/banner.ts');
  const { config } = await configFor(target);
  return serverUrl(config, config.listen.port);
}

async function open(target: Target, options: { create: boolean }): Promise<Backend> {
  if (target.kind === 'remote') {
    const { RemoteBackend } = await import('./remote-backend.ts');
    return await RemoteBackend.open(target);
  }
  const { LocalBackend } = await import('./local-backend.ts');
  return await LocalBackend.open((await configFor(target)).config, options);
}
