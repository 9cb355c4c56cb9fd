import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { stringify } from 'yaml';
import type { RunResult } from '../../src/mirror/run/report.ts';
import type { MirrorStatus } from '../../src/mirror/status.ts';
import { clients, emptyDaemons, trustedTls } from '../support/daemons.ts';
import { Headwater, until } from './headwater.ts';
import { ImageServer } from './image-server.ts';
import { stores } from './stores.ts';

const remote = 'mirrored';
/** Milliseconds that what was retired stays. */
const gracePeriod = 15_000;

describe.each(stores)('a mirror into the $name store', (store) => {
  const fresh = store.fresh();
  let upstream: ImageServer;
  let headwater: Headwater;

  const file = (...parts: string[]) => path.join(inject('images'), ...parts);
  const made = '2026-01-02T03:04:00Z';

  beforeAll(async () => {
    upstream = await ImageServer.create();
    for (const architecture of ['x86_64', 'aarch64']) {
      await upstream.add({ release: 'bookworm', architecture, made }, file('squashfs/rootfs.squashfs'));
      await upstream.add({ release: 'trixie', architecture, made }, file('newer/rootfs.squashfs'));
    }
    await upstream.start();
    headwater = await Headwater.create(
      { tls: trustedTls, gracePeriod: `${gracePeriod}ms`, mirrorDir: 'mirrors', ...fresh.settings },
      fresh.environment,
    );
  });

  afterAll(async () => {
    await emptyDaemons();
    await headwater.remove();
    await upstream.remove();
  });

  async function define(definition: Record<string, unknown>): Promise<void> {
    const directory = path.join(headwater.directory, 'mirrors');
    await mkdir(directory, { recursive: true });
    const common = {
      url: upstream.url,
      keyring: upstream.keyring,
      select: [{ os: 'debian', architecture: 'amd64' }],
      keep: { versions: 1 },
      maxAge: '1h',
    };
    await writeFile(path.join(directory, 'debian.yaml'), stringify({ ...common, ...definition }));
  }

  async function status(): Promise<MirrorStatus | undefined> {
    return (JSON.parse(await headwater.cli('mirror', 'status', '--json')) as MirrorStatus[])[0];
  }

  async function serials(product: string): Promise<string[]> {
    return Object.keys((await headwater.document()).products[product]?.versions ?? {});
  }

  async function launchAll(expected: Record<string, string>): Promise<void> {
    for (const client of clients) {
      await client.addRemote(remote, headwater.url);
      for (const [release, serial] of Object.entries(expected)) {
        const name = `mirror-${release}`;
        await client.run('launch', '-q', `${remote}:Debian/${release}/default`, name);
        expect(await client.inside(name, 'cat', '/etc/os-release')).toContain('Debian');
        expect(await client.run('config', 'get', name, 'image.serial')).toBe(`${serial}\n`);
        await client.run('delete', '--force', name);
      }
    }
  }

  test('brings what the filter selects, and nothing else', async () => {
    await define({});
    await headwater.start(trustedTls.certificate);
    const plan = JSON.parse(await headwater.cli('mirror', 'plan', 'debian', '--json')) as {
      add: object[];
      fetch: number;
    };
    expect(plan.add).toHaveLength(2);
    const result = JSON.parse(await headwater.cli('mirror', 'run', '--json')) as RunResult;
    expect(result).toMatchObject({
      mirror: 'debian',
      outcome: 'success',
      report: { added: 2, fetched: plan.fetch },
    });
    await until('the images are announced', async () => {
      return Object.keys((await headwater.document()).products).length === 2;
    });
    expect(Object.keys((await headwater.document()).products)).toEqual([
      'debian:bookworm:amd64:default',
      'debian:trixie:amd64:default',
    ]);
    const { blobs, unfinished } = await fresh.contents(headwater.dataDirectory);
    // Two files of each image, and the document that lists them.
    expect({ blobs: blobs.length, unfinished }).toEqual({ blobs: 5, unfinished: [] });
    expect(await headwater.cli('mirror', 'run')).toBe('debian: the upstream has not changed\n');
  });

  test('is launched from by LXD and Incus, also when the upstream is gone', async () => {
    await launchAll({ bookworm: '20260102_0304' });
    await upstream.stop();
    await emptyDaemons();
    await launchAll({ bookworm: '20260102_0304', trixie: '20260102_0304' });
    const failed = await headwater.attempt('mirror', 'run');
    expect(failed.code).toBe(7);
    expect(failed.stderr).toContain(`${upstream.url}/streams/v1/index.sjson: the upstream does not answer`);
    expect(await status()).toMatchObject({ stale: false, lastRun: { outcome: 'failed' } });
  });

  test('brings a new version when its time comes, and retires the old one when the grace period is over', async () => {
    const product = 'debian:bookworm:amd64:default';
    const before = (await headwater.document()).products[product]?.versions['20260102_0304'];
    const old = before?.items['squashfs'];
    if (old === undefined) throw new Error('there is no squashfs');
    await upstream.start();
    await define({ schedule: '*/2 * * * * *' });
    await headwater.stop();
    await headwater.start(trustedTls.certificate);
    // Daemons take an image that they have for what its alias leads to.
    await emptyDaemons();
    await until('a run on schedule', async () => (await status())?.lastRun?.cause === 'schedule');
    const newer = { release: 'bookworm', architecture: 'x86_64', made: '2026-02-03T04:05:00Z' };
    await upstream.add(newer, file('newer/rootfs.squashfs'));
    await until('the new version is announced', async () =>
      (await serials(product)).includes('20260203_0405'),
    );
    await until('the old version is retired', async () => (await serials(product)).length === 1);
    const isStored = async () =>
      (await fresh.contents(headwater.dataDirectory)).blobs.includes(
        `sha256/${old.sha256.slice(0, 2)}/${old.sha256}`,
      );
    const get = async () => {
      const response = await headwater.fetch(`/${old.path}`);
      await response.body?.cancel();
      return response.status;
    };
    // Clients may still know the old index.
    expect(await get()).toBe(200);
    expect(await isStored()).toBe(true);
    await launchAll({ bookworm: '20260203_0405' });
    await until('the bytes of the old version are gone', async () => !(await isStored()));
    expect(await get()).toBe(404);
    const metrics = await (await headwater.fetch('/metrics')).text();
    expect(metrics).toMatch(/headwater_mirror_stale\{mirror="debian"\} 0/);
    expect(metrics).toMatch(/headwater_mirror_next_run_timestamp_seconds\{mirror="debian"\} \d/);
  });
});
