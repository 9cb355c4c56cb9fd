import { join } from 'node:path';
import { catalogLost, catalogOlder } from './catalog-events.ts';
import { fullDisk } from './full-disk.ts';
import { isOnPath } from './on-path.ts';
import type { Durability } from './power-disk.ts';
import { PowerFailure } from './power-failure.ts';
import { storeFaults, twoOnOneStore } from './store-events.ts';
import { strays } from './strays.ts';
import { type Kind, underLoad } from './trial.ts';
import { twoServers } from './two-servers.ts';

const noCompiler = 'there is no C compiler (apt-get install gcc libc6-dev)';

/** The server is killed under load; commands, too, each at a moment of its own. */
const kill: Kind = {
  event: (site, random) => underLoad(site, random, () => site.kill()),
};

/** The power fails: what was not synced by then is lost, or a part of it. */
function power(durability: Durability): Kind {
  return {
    unavailable: () => (isOnPath('cc') ? undefined : noCompiler),
    prepare: () =>
      Promise.resolve({
        options: {
          begin: async (site) => {
            site.killCommands = false;
            site.power = await PowerFailure.watch(join(site.directory, 'volume'), site.directory);
            site.env = { ...site.env, ...site.power.env };
          },
        },
      }),
    event: (site, random) =>
      underLoad(site, random, async () => {
        await site.power?.cut();
        await site.killAll();
        await site.power?.restore({ durability, random });
      }),
  };
}

/** Every kind of trial, by its name. */
export const kinds: Readonly<Record<string, Kind>> = {
  kill,
  'power-strict': power('strict'),
  'power-journal': power('journal'),
  'full-disk': fullDisk,
  'store-faults': storeFaults,
  'catalog-lost': catalogLost,
  'catalog-older': catalogOlder,
  strays,
  'two-servers': twoServers,
  'two-on-one-store': twoOnOneStore,
};

/** Whether tests of the power failure have to be skipped. @throws Error instead where REQUIRE_ALL_TESTS is 1 */
export function compilerIsMissing(): boolean {
  if (!isOnPath('cc') && process.env['REQUIRE_ALL_TESTS'] === '1') throw new Error(noCompiler);
  return !isOnPath('cc');
}
