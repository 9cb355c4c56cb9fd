import type { Config } from '../config/schema.ts';
import type { AnyDefinition } from '../config/sites/any-definition.ts';

/** The mirrors of a configuration. @throws HeadwaterError `invalid`, with every error in the definitions */
export async function readMirrors(config: Config): Promise<AnyDefinition[]> {
  const [{ loadMirrors }, { isSchedule }] = await Promise.all([
    import('../config/mirror-definitions.ts'),
    import('../mirror/schedule.ts'),
  ]);
  return loadMirrors({ directory: config.mirrorDir, env: process.env, isSchedule });
}
