import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf, smallImage } from '../support/images.ts';
import { DocumentReader } from './document-reader.ts';
import { Headwater, program, until } from './headwater.ts';
import { type FreshStore, stores } from './stores.ts';

/** How often each process is killed. */
const kills = { command: 20, server: 12 };
/** Bytes of a root: two parts in S3, and long enough on its way to be hit there. */
const rootSize = 6 * 1024 * 1024;

const product = 'crash:one:amd64:default';

interface Image {
  serial: string;
  files: [string, string];
  fingerprint: string;
}

describe.each(stores)('killed at any moment, with the $name store', (store) => {
  let scratch: string;
  let fresh: FreshStore;
  let headwater: Headwater;
  let reader: DocumentReader;
  let count = 0;
  /** Serials that a publish reported as published, with their fingerprints. */
  const reported = new Map<string, string>();

  beforeAll(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), 'headwater-crash-'));
    fresh = store.fresh();
    headwater = await Headwater.create(fresh.settings, fresh.environment);
    await headwater.start();
    reader = new DocumentReader(headwater);
    await publishWhole(await makeImage());
    reader.start();
  });

  afterAll(async () => {
    await reader.stop().catch(() => undefined);
    await headwater.remove();
    await rm(scratch, { recursive: true, force: true });
  });

  test('publishing on the data directory, killed, loses and breaks nothing', async () => {
    const length = await publishWhole(await makeImage());
    let killed = 0;
    for (const moment of moments(kills.command, length)) {
      const image = await makeImage();
      const publishing = publish(image.files);
      await Promise.race([sleep(moment), publishing.ended]);
      publishing.child.kill('SIGKILL');
      if ((await publishing.ended) === 0) reported.set(image.serial, image.fingerprint);
      else killed++;
      // Half of them are tried again, the others stay abandoned.
      if (count % 2 === 0) await publishWhole(image);
    }
    expect(killed).toBeGreaterThan(kills.command / 4);
    await assertReported();
  });

  test('a server killed during uploads loses and breaks nothing', async () => {
    const created = await headwater.cli(...'token create crash --allow read,publish --json'.split(' '));
    const { token } = JSON.parse(created) as { token: string };
    const remote = ['--server', headwater.url, '--token', token, '--ca', headwater.ownCertificate];
    const length = await publishWhole(await makeImage(), remote);
    for (const moment of moments(kills.server, length)) {
      const image = await makeImage();
      const publishing = publish(image.files, remote);
      await Promise.race([sleep(moment), publishing.ended]);
      await headwater.kill();
      await headwater.start();
      if ((await publishing.ended) === 0) reported.set(image.serial, image.fingerprint);
      else if (count % 2 === 0) await publishWhole(image, remote);
    }
    await assertReported();
  });

  test('after the last restart the catalog, the documents and the store agree', async () => {
    await reader.stop();
    expect(reader.rounds).toBeGreaterThan(kills.command + kills.server);
    await headwater.kill();
    // What nothing names may now go at once.
    headwater.environment['HEADWATER_GRACE_PERIOD'] = '1s';
    await sleep(1500);
    await headwater.start();

    const document = await headwater.document();
    const announced = Object.entries(document.products[product]?.versions ?? {});
    const listed = JSON.parse(await headwater.cli('list', '--json', '--all-versions')) as {
      serial: string;
      images: { fingerprint: string }[];
      files: { sha256: string }[];
    }[];
    expect(listed.map(({ serial }) => serial).sort()).toEqual(announced.map(([serial]) => serial).sort());
    for (const { serial, images } of listed) {
      if (reported.has(serial)) expect(images[0]?.fingerprint).toBe(reported.get(serial));
    }
    await reader.readAll();

    const digests = new Set(listed.flatMap(({ files }) => files.map(({ sha256 }) => sha256)));
    const named = [...digests].map((digest) => `sha256/${digest.slice(0, 2)}/${digest}`).sort();
    await until('bytes that nothing names are gone', async () => {
      const { blobs } = await fresh.contents(headwater.dataDirectory);
      return blobs.length <= named.length;
    });
    expect(await fresh.contents(headwater.dataDirectory)).toEqual({ blobs: named, unfinished: [] });
    // What arrived of an upload that broke waits for its sender, who has finished all of them but those abandoned.
    const waiting = await readdir(path.join(headwater.dataDirectory, 'uploads')).catch(() => []);
    expect(waiting.filter((name) => !/^[0-9a-f]{64}$/.test(name) || digests.has(name))).toEqual([]);
  });

  async function makeImage(): Promise<Image> {
    count++;
    const serial = `20260101_${String(Math.floor(count / 60)).padStart(2, '0')}${String(count % 60).padStart(2, '0')}`;
    const files = await smallImage(path.join(scratch, serial), {
      properties: { os: 'crash', release: 'one', serial },
      bytes: rootSize,
    });
    return { serial, files, fingerprint: await digestOf(...files) };
  }

  function publish(
    files: string[],
    remote: string[] = [],
  ): { child: ChildProcess; ended: Promise<number | null>; errors: () => string } {
    const child = spawn(process.execPath, [program, 'publish', ...files, ...remote], {
      cwd: headwater.directory,
      env: { ...process.env, ...headwater.environment },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let output = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    return { child, ended, errors: () => output };
  }

  /** Publishes without killing anything, which must succeed, and gives how many milliseconds it took. */
  async function publishWhole(image: Image, remote: string[] = []): Promise<number> {
    const started = performance.now();
    const { ended, errors } = publish(image.files, remote);
    expect(await ended, errors()).toBe(0);
    reported.set(image.serial, image.fingerprint);
    return performance.now() - started;
  }

  /** Every publish that reported success is announced, as it was published. */
  async function assertReported(): Promise<void> {
    await until('everything reported is announced', async () => {
      const versions = (await headwater.document()).products[product]?.versions ?? {};
      return [...reported].every(([serial, fingerprint]) =>
        Object.values(versions[serial]?.items ?? {}).some(
          (item) => item['combined_squashfs_sha256'] === fingerprint,
        ),
      );
    });
  }
});

/** Milliseconds after which to kill: over the whole of a publish, each at random within its own part of it. */
function moments(count: number, length: number): number[] {
  return Array.from({ length: count }, (_, index) => ((index + Math.random()) / count) * length * 1.1);
}
