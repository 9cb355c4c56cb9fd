import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { HeadwaterError, messageOf } from '../../src/errors.ts';
import type { MirrorServices } from '../../src/mirror/mirror-services.ts';
import { runMirror } from '../../src/mirror/run/run.ts';
import { publish } from '../../src/publish/publisher.ts';
import { push } from '../../src/publish/push.ts';
import { TestUpstream } from '../mirror/test-upstream.ts';
import { definition, held, mirrorServices } from '../mirror/workspace.ts';
import { type Case, generated, unifiedImage, written } from './acceptance-cases.ts';
import { DaemonApi, type Fate } from './daemon-api.ts';

// What LXD and Incus import and start is accepted here, however it comes; what one of them cannot start is refused.
// HEADWATER_ACCEPTANCE_CASES sets how many generated documents are tried beside those written by hand, and
// HEADWATER_ACCEPTANCE_SEED which.

const count = Number(process.env['HEADWATER_ACCEPTANCE_CASES'] ?? 60);
const seed = Number(process.env['HEADWATER_ACCEPTANCE_SEED'] ?? 1);

/** Where Headwater decides otherwise, and why. */
const differences: Record<string, string> = {
  'templates as a link to /etc':
    'these versions do not follow it; older ones read templates from the host (CVE-2026-48752)',
  'a hard link to metadata.yaml': 'an instance could change the metadata.yaml that the daemon reads',
  'another link': 'the daemons write files of their own beside the root, such as backup.yaml',
  'metadata.yaml twice': 'the daemons read the first one to import it, and the last one to start instances',
};

const busyboxPath = '/bin/busybox';
const daemons = [new DaemonApi('lxd'), new DaemonApi('incus')];

interface Trial {
  case: Case;
  image: Buffer;
}

test('what the daemons start is published, pushed and mirrored, and nothing else', async () => {
  const busybox = await readFile(busyboxPath).catch((error: unknown) => {
    throw new Error('the test needs a static busybox: install busybox-static', { cause: error });
  });
  const cases = [...written, ...generated(seed, count)];
  const trials = await Promise.all(
    cases.map(async (each): Promise<Trial> => ({ case: each, image: await unifiedImage(each, busybox) })),
  );
  const [fates, verdicts] = await Promise.all([fatesOf(trials), verdictsOf(trials)]);
  const wrong = trials.flatMap(({ case: { name, metadata } }, index) => {
    const fate = fates[index] ?? [];
    const verdict = verdicts[index] ?? [];
    const starts = fate.every((found) => found === 'started');
    const agrees = verdict.every((found) => (found === 'accepted') === starts);
    const isListed = Object.hasOwn(differences, name);
    if (agrees !== isListed) return [];
    return [{ name, metadata, fate, verdict, ...(isListed ? { listed: 'but there is no difference' } : {}) }];
  });
  expect(wrong).toEqual([]);
}, 600_000);

/** What each daemon makes of each image. */
async function fatesOf(trials: readonly Trial[]): Promise<Fate[][]> {
  const columns = await Promise.all(
    daemons.map(async (daemon) => {
      const fates: Fate[] = [];
      const todo = trials.entries();
      const work = async () => {
        for (const [index, { image }] of todo) fates[index] = await daemon.fate(image);
      };
      // LXD waits for 30 seconds after an instance that does not start.
      await Promise.all(Array.from({ length: 6 }, work));
      return fates;
    }),
  );
  return trials.map((_, index) => columns.flatMap((column) => column[index] ?? []));
}

/** What Headwater makes of each image: published, pushed and mirrored. */
async function verdictsOf(trials: readonly Trial[]): Promise<string[][]> {
  const upstream = await TestUpstream.start();
  const parts = await mirrorServices();
  const published = await mirrorServices();
  const pushed = await mirrorServices();
  for (const [index, { image }] of trials.entries()) offer(upstream, nameOf(index), image);
  upstream.announce();
  await runMirror(definition(upstream.url), parts, { cause: 'manual' });
  const mirrored = new Set(await held(parts));
  const verdicts: string[][] = [];
  for (const [index, { image }] of trials.entries()) {
    verdicts.push([
      await verdictOf(() => publishImage(published, nameOf(index), image)),
      await verdictOf(() => pushImage(pushed, image)),
      mirrored.has(`acceptance:${nameOf(index)}:amd64:default@20260101_0000`) ? 'accepted' : 'not mirrored',
    ]);
  }
  return verdicts;
}

function nameOf(index: number): string {
  return `n${index}`;
}

function offer(upstream: TestUpstream, release: string, image: Buffer): void {
  const path = `images/${release}/image.tar.gz`;
  upstream.files.set(path, image);
  const sha256 = createHash('sha256').update(image).digest('hex');
  upstream.products[`acceptance:${release}:amd64:default`] = {
    arch: 'amd64',
    os: 'acceptance',
    release,
    release_title: release,
    variant: 'default',
    versions: {
      '20260101_0000': {
        items: { 'lxd_combined.tar.gz': { ftype: 'lxd_combined.tar.gz', path, sha256, size: image.length } },
      },
    },
  };
}

async function publishImage({ destination }: MirrorServices, release: string, image: Buffer): Promise<void> {
  const { digest } = await destination.store({ from: 'stream', name: release, bytes: chunksOf(image) });
  await publish(destination, {
    files: [{ from: 'blob', name: 'image.tar', digest }],
    os: 'acceptance',
    release,
    serial: '20260101_0000',
  });
}

async function pushImage({ destination }: MirrorServices, image: Buffer): Promise<void> {
  async function* files() {
    yield { name: 'the image', bytes: chunksOf(image) };
  }
  const said = {
    aliases: [],
    properties: {},
    profiles: [],
    filename: 'image',
    public: true,
    autoUpdate: false,
  };
  await push(destination, files(), { ...said, stream: 'pushed', pushedBy: 'client:test' }, { quotas: {} });
}

async function* chunksOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function verdictOf(work: () => Promise<void>): Promise<string> {
  try {
    await work();
    return 'accepted';
  } catch (error) {
    if (error instanceof HeadwaterError && error.kind === 'invalid') return messageOf(error);
    throw error;
  }
}
