import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Ceph, startCeph } from '../support/ceph.ts';
import { FaultProxy, type Misbehaviour } from '../support/fault-proxy.ts';
import { isOnPath } from './on-path.ts';
import type { Running } from './processes.ts';
import type { Random } from './random.ts';
import type { Site, SiteOptions } from './site.ts';
import { type Kind, underLoad } from './trial.ts';

const unavailable = () =>
  isOnPath('radosgw') && isOnPath('ceph-osd')
    ? undefined
    : 'Ceph is not installed (apt-get install radosgw ceph-mon ceph-osd ceph-common)';

let ceph: Promise<Ceph> | undefined;

/** A bucket of its own for a site, behind a proxy that can misbehave. */
async function bucket(): Promise<{ options: SiteOptions; proxy: FaultProxy }> {
  ceph ??= startCeph();
  const { endpoint, accessKey, secretKey } = await ceph;
  const proxy = await FaultProxy.start(endpoint);
  const storage = { type: 's3', endpoint: proxy.url, bucket: `torture-${randomUUID()}`, createBucket: true };
  const env = { HEADWATER_S3_ACCESS_KEY: accessKey, HEADWATER_S3_SECRET_KEY: secretKey };
  return { options: { settings: { storage }, env }, proxy };
}

const proxies = new WeakMap<SiteOptions, FaultProxy>();

/** The S3 service fails, is slow or cuts connections for some time, and then the server is killed. */
export const storeFaults: Kind = {
  unavailable,
  prepare: async () => {
    const { options, proxy } = await bucket();
    proxies.set(options, proxy);
    return { options, undo: () => proxy.stop() };
  },
  event: (site, random) =>
    underLoad(site, random, async () => {
      const proxy = proxies.get(site.options);
      for (let count = random.whole(1, 8); count > 0; count--) {
        proxy?.inject({ do: misbehaviour(random), times: random.whole(1, 4), skip: random.whole(0, 5) });
      }
      const isDown = random.chance(0.3);
      if (isDown) await proxy?.refuse();
      await sleep(random.whole(200, 2000));
      if (isDown) await proxy?.accept();
      await site.kill();
      proxy?.reset();
    }),
};

async function launchSecond(site: Site): Promise<Running> {
  const dataDir = join(site.directory, 'second');
  await site.configure({ dataDir, gracePeriod: '1s' }, 'second.yaml');
  return site.launch('second.yaml');
}

function misbehaviour(random: Random): Misbehaviour {
  return random.pick<Misbehaviour>([
    { kind: 'answer', status: 500 },
    { kind: 'answer', status: 503 },
    { kind: 'cut-request', after: random.whole(0, 20_000) },
    { kind: 'cut-answer', after: random.whole(0, 20_000) },
    { kind: 'lose-answer' },
    { kind: 'corrupt-request', at: random.whole(0, 2000) },
    { kind: 'corrupt-answer', at: random.whole(0, 2000) },
  ]);
}

/** Somebody starts a server with a data directory of its own on the same bucket. */
export const twoOnOneStore: Kind = {
  unavailable,
  prepare: async () => {
    const { options, proxy } = await bucket();
    return { options, undo: () => proxy.stop() };
  },
  event: async (site, random) => {
    await underLoad(site, random, async () => {
      // Where it starts, it would collect what it does not know.
      const second = await launchSecond(site);
      await Promise.race([sleep(5000), second.ended]);
      if (second.kill()) site.tally.kills++;
      await second.ended;
      await site.kill();
    });
  },
};

/** Ends what the trials shared. */
export async function stopServices(): Promise<void> {
  await (await ceph)?.stop();
}
