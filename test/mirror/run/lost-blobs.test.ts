import { expect, test } from 'vitest';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition, held, mirrorServices } from '../workspace.ts';

const directory = 'images/debian/bookworm/amd64/default';

/** A mirror of two versions that has run. */
async function setUp() {
  const upstream = await TestUpstream.start();
  for (const serial of ['20260101_0000', '20260102_0000']) {
    await upstream.offer('debian:bookworm:amd64:default', serial);
  }
  const parts = await mirrorServices();
  const run = async () => {
    upstream.takeRequests();
    const { outcome } = await runMirror(definition(upstream.url), parts, { cause: 'manual' });
    return [outcome, ...upstream.takeRequests()];
  };
  const lose = async (file: string) => {
    const digest = upstream.digestOf(`${directory}/${file}`);
    const lost = { digest, size: 1, state: 'missing' as const, problem: 'a test lost it' };
    await parts.catalog.storage.loseBlob(lost, async () => undefined);
  };
  expect((await run())[0]).toBe('success');
  return { upstream, parts, run, lose };
}

const unchanged = ['unchanged', 'GET streams/v1/images.json 304', 'GET streams/v1/index.json 304'];
const read = ['GET streams/v1/images.json 200', 'GET streams/v1/index.json 200'];

test('a mirror of an unchanged upstream fetches exactly the lost files, once', async () => {
  const { run, lose } = await setUp();
  expect(await run()).toEqual(unchanged);
  await lose('20260101_0000/rootfs.squashfs');
  await lose('20260102_0000/lxd.tar.xz');
  expect(await run()).toEqual([
    'success',
    `GET ${directory}/20260101_0000/rootfs.squashfs 200`,
    `GET ${directory}/20260102_0000/lxd.tar.xz 200`,
    ...read,
  ]);
  expect(await run()).toEqual(unchanged);
});

test('a file that is lost during a run is fetched by the next one', async () => {
  const { upstream, run, lose } = await setUp();
  await lose('20260101_0000/rootfs.squashfs');
  let lost: Promise<void> | undefined;
  upstream.onRequest = (path) => {
    if (path.endsWith('20260101_0000/rootfs.squashfs')) lost ??= lose('20260102_0000/rootfs.squashfs');
  };
  expect((await run())[0]).toBe('success');
  await lost;
  expect(await run()).toEqual(['success', `GET ${directory}/20260102_0000/rootfs.squashfs 200`, ...read]);
  expect(await run()).toEqual(unchanged);
});

test('a lost file that the upstream has no more is looked for once', async () => {
  const { upstream, parts, run, lose } = await setUp();
  delete upstream.products['debian:bookworm:amd64:default']?.versions['20260101_0000'];
  upstream.announce();
  expect((await run())[0]).toBe('success');
  await lose('20260101_0000/rootfs.squashfs');
  expect(await run()).toEqual(['success', ...read]);
  expect(await run()).toEqual(unchanged);
  // A version without all of its files that cannot be had is listed no longer.
  expect(await held(parts)).toEqual(['debian:bookworm:amd64:default@20260102_0000']);
});

test('the loss of a file of others does not concern a mirror', async () => {
  const { upstream, parts, run, lose } = await setUp();
  await upstream.offer('alpine:edge:amd64:default', '20260101_0000');
  await lose('../../../../alpine/edge/amd64/default/20260101_0000/rootfs.squashfs');
  expect(await parts.catalog.mirrors.losses('test')).toBe(0);
  expect((await run())[0]).toBe('success');
});
