import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { blobsOf } from './catalog-events.ts';
import type { TrialImage } from './image.ts';
import { newImage, publish } from './operations.ts';
import type { Random } from './random.ts';
import type { Site } from './site.ts';
import { type Kind, underLoad } from './trial.ts';

/** How long the server has to remove them, in milliseconds. */
const patience = 60_000;

/**
 * The store has blobs that the catalog does not know. A server that is killed now and then sets them aside and at last
 * removes them; one that is published meanwhile stays.
 */
export const strays: Kind = {
  event: async (site, random) => {
    await underLoad(site, random, () => site.kill());
    await site.commandsEnded();
    const returning = await newImage(site, random);
    const unknown: TrialImage[] = [];
    for (let count = random.whole(1, 12); count > 0; count--) unknown.push(await newImage(site, random));
    for (const image of [returning, ...unknown]) await addStrays(site, random, image);
    const collection = { share: 100, keepUnknown: '1s', keepRemoved: '1s' };
    await site.configure({ gracePeriod: '1s', collection });
    // They must be older than the grace period.
    await sleep(1100);
    for (let kills = random.whole(0, 2); kills > 0; kills--) {
      await site.start();
      await sleep(random.whole(0, 3000));
      await site.kill();
    }
    await site.start();
    await sleep(random.whole(0, 2500));
    // Its bytes may be in the store, set aside or removed by now; if it is refused, it must not be there by half.
    await publish(site, returning);
    await allRemoved(site, unknown);
    await site.kill();
    await site.configure({});
  },
};

/** Puts the files of an image into the store, behind the catalog's back. */
async function addStrays(site: Site, random: Random, image: TrialImage): Promise<void> {
  const isAside = random.chance(0.3);
  for (const { digest, bytes } of [image.metadata, image.root]) {
    const place = isAside ? 'aside/unknown' : `blobs/sha256/${digest.slice(0, 2)}`;
    const path = join(site.dataDir, place, digest);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, bytes, { mode: 0o600 });
  }
}

/** @throws Error when blobs that no version names stay in the store or set aside */
async function allRemoved(site: Site, images: readonly TrialImage[]): Promise<void> {
  const strange = new Set(images.flatMap(({ metadata, root }) => [metadata.digest, root.digest]));
  const until = performance.now() + patience;
  for (;;) {
    const left = (await blobsOf(site)).filter((digest) => strange.has(digest));
    if (left.length === 0) return;
    if (performance.now() > until) {
      throw new Error(`${left.length} of ${strange.size} strays are still in the store: ${left.join(', ')}`);
    }
    await sleep(200);
  }
}
