import type { Command } from 'commander';
import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import type { Config } from '../../config/schema.ts';
import { type AnyDefinition, isSite, isUpstream } from '../../config/sites/any-definition.ts';
import { HeadwaterError } from '../../errors.ts';
import type { MirrorServices } from '../../mirror/mirror-services.ts';
import { needsBundle } from '../../mirror/site/needs-bundle.ts';
import type { Workspace } from '../../server/workspace.ts';
import { readMirrors } from '../read-mirrors.ts';
import { localConfig } from './open-backend.ts';

/** The configuration and its mirrors. */
export interface ConfiguredMirrors {
  config: Config;
  definitions: AnyDefinition[];
}

/** Reads the configuration and the definitions of mirrors. */
export async function configuredMirrors(command: Command): Promise<ConfiguredMirrors> {
  const { config } = await localConfig(command, []);
  return { config, definitions: await readMirrors(config) };
}

/**
 * The chosen mirrors that download from an upstream: the given one, or all enabled ones.
 * @throws HeadwaterError `not-found` when there is none; `conflict` when the versions of the given one come in bundles
 */
export function chooseMirrors(
  { config, definitions }: ConfiguredMirrors,
  name: string | undefined,
): MirrorDefinition[] {
  if (name === undefined) {
    const enabled = definitions.filter(isUpstream).filter((definition) => definition.enabled);
    if (enabled.length > 0) return enabled;
    throw new HeadwaterError(
      'not-found',
      `no mirror is enabled: set "enabled: true" in a file of ${config.mirrorDir}, or name one`,
    );
  }
  const named = findMirror({ config, definitions }, name);
  if (isSite(named)) throw needsBundle(named);
  return [named];
}

/**
 * A mirror of either kind.
 * @throws HeadwaterError `not-found`
 */
export function findMirror({ config, definitions }: ConfiguredMirrors, name: string): AnyDefinition {
  const named = definitions.find((definition) => definition.name === name);
  if (named !== undefined) return named;
  throw new HeadwaterError(
    'not-found',
    `there is no mirror ${name}: ${config.mirrorDir} has no ${name}.yaml`,
  );
}

/** An open data directory, for work on mirrors. */
export type OpenMirrors = MirrorServices & Pick<Workspace, 'intake'>;

/** Opens the data directory for work on mirrors, and closes it afterwards. */
export async function withMirrorServices<Result>(
  config: Config,
  work: (parts: OpenMirrors) => Promise<Result>,
): Promise<Result> {
  const { openWorkspace } = await import('../../server/workspace.ts');
  const workspace = await openWorkspace(config);
  try {
    return await work({ ...workspace, dataDir: config.dataDir });
  } finally {
    await workspace.close();
  }
}
