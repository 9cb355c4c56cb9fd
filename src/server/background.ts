import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import { messageOf } from '../errors.ts';
import { Generator } from '../publish/generated/generator.ts';
import { canReadSquashfs } from '../publish/generated/squashfs-tar.ts';
import type { Foundation } from './foundation.ts';
import { collectRegularly, forgetAliases } from './housekeeping.ts';
import { generatorHooks } from './log-events.ts';
import type { Resources } from './resources.ts';
import { recordServer } from './running-servers.ts';
import type { Services } from './services.ts';
import { quotasOf } from './workspace.ts';

/** Starts the periodic work of a server. @param opened closed when no request is under way any more */
export async function startBackground(
  foundation: Foundation,
  { uploads, onDemand, mirrors, updates, scrub }: Services,
  config: Config,
  opened: Resources,
): Promise<void> {
  const { log, workspace, watch, reserve } = foundation;
  opened.onClose('the removal of aliases', forgetAliases(workspace, log));
  const collection = { uploads, onDemand, watch, reserve };
  opened.onClose('the collection of garbage', collectRegularly(workspace, collection, config, log));
  if (config.lxc.enabled || config.oci.enabled) startGenerator(foundation, config, opened);
  await mirrors.start();
  updates.start();
  scrub.start();
}

/** Makes the files of versions that LXC and clients of OCI registries need. */
function startGenerator({ log, workspace }: Foundation, config: Config, opened: Resources): void {
  const generator = new Generator(workspace, {
    xzStreams: config.lxc.enabled ? config.lxc.compress : [],
    gzipStreams: config.oci.enabled ? config.oci.compress : [],
    metadata: config.lxc.enabled,
    directory: join(config.dataDir, 'staging'),
    quotasOf: (stream) => quotasOf(config, stream),
    hooks: generatorHooks(log),
  });
  if (config.oci.enabled && config.oci.compress.length > 0 && !canReadSquashfs()) {
    log.warn(
      'sqfs2tar is not installed (Debian package squashfs-tools-ng): versions with only a squashfs get no OCI layer',
    );
  }
  opened.onClose('the making of files', () => generator.stop());
  generator.start();
}

/**
 * Records where the server listens, for commands on the same data directory. @returns a function that removes the
 * record
 */
export async function recordListening(
  { log }: Foundation,
  config: Config,
  port: number,
): Promise<() => Promise<void>> {
  const server = { ...config, listen: { ...config.listen, port } };
  return await recordServer(config.dataDir, server, (error) =>
    log.warn(
      { error: messageOf(error) },
      'the record of this server could not be written or removed: other commands may not find the server, or ask one that has ended',
    ),
  );
}
