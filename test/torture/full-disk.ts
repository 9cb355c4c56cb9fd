import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mountMemory } from '../support/mount.ts';
import { fillDisk } from './fill-disk.ts';
import { removeSurely } from './operations.ts';
import { type Kind, underLoad } from './trial.ts';

/** The disk of the data directory fills up under load, and has space again after the server was killed. */
export const fullDisk: Kind = {
  unavailable: () => (process.getuid?.() === 0 ? undefined : 'only root can mount a small disk'),
  prepare: async () => {
    const disk = await mountMemory('160m');
    return { options: { dataDir: join(disk.path, 'data') }, undo: () => disk.unmount() };
  },
  event: async (site, random) => {
    const filler = join(site.dataDir, '../filler');
    await underLoad(site, random, async () => {
      await fillDisk(filler);
      await sleep(random.whole(0, 500));
      await removeSurely(site, random);
      const ready = await site.client.get('/readyz');
      if (ready.status !== 200)
        throw new Error(`/readyz on a full disk: ${ready.status} ${ready.body.toString()}`);
      await site.kill();
      if (random.chance(0.5)) {
        // It starts on a full disk, too.
        await site.start();
        await site.kill();
      }
    });
    await rm(filler);
  },
};
