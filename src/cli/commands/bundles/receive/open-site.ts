import type { Command } from 'commander';
import { isSite } from '../../../../config/sites/any-definition.ts';
import type { SiteMirror } from '../../../../config/sites/site-mirror-schema.ts';
import { HeadwaterError } from '../../../../errors.ts';
import { type ConfiguredMirrors, configuredMirrors, findMirror } from '../../../backend/open-mirrors.ts';
import { targetOf } from '../../../global-options.ts';

/** A mirror whose versions come in bundles, with its configuration. */
export interface OpenedSite extends ConfiguredMirrors {
  definition: SiteMirror;
}

/**
 * Finds the definition of a site.
 * @throws HeadwaterError `not-found`, `usage` for a mirror that downloads, or with `--server`; `conflict` when it is not enabled
 */
export async function openSite(command: Command, name: string): Promise<OpenedSite> {
  const target = targetOf(command);
  if (target.kind === 'remote') {
    throw new HeadwaterError(
      'usage',
      `--server ${target.server}: this command needs a data directory. Use --data-dir or --config`,
    );
  }
  const configured = await configuredMirrors(command);
  const definition = findMirror(configured, name);
  if (!isSite(definition)) {
    throw new HeadwaterError(
      'usage',
      `mirror ${name} downloads from ${definition.url}: only mirrors with "site" in their definition take bundles`,
    );
  }
  if (!definition.enabled) {
    throw new HeadwaterError(
      'conflict',
      `mirror ${name} is not enabled: set "enabled: true" in ${definition.file}`,
    );
  }
  return { ...configured, definition };
}
