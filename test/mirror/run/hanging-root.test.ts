import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { DirectoryStore } from '../../../src/blobs/directory/directory-store.ts';
import { Catalog } from '../../../src/catalog/catalog.ts';
import type { MirrorServices } from '../../../src/mirror/mirror-services.ts';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { parseDigest } from '../../../src/model/digest.ts';
import { LocalDestination } from '../../../src/publish/destination/local-destination.ts';
import { Intake } from '../../../src/publish/intake/intake.ts';
import { scratchDirectory } from '../../support/catalog.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition, held, mirrorServices } from '../workspace.ts';

const product = 'debian:bookworm:amd64:default';
const serials = ['20260101_0000', '20260102_0000', '20260103_0000'];
const [, hanging = ''] = serials;
const root = `images/debian/bookworm/amd64/default/${hanging}/rootfs.squashfs`;
const others = serials.filter((serial) => serial !== hanging).map((serial) => `${product}@${serial}`);

/** An upstream with three versions. */
async function startUpstream(): Promise<TestUpstream> {
  const upstream = await TestUpstream.start();
  for (const serial of serials) await upstream.offer(product, serial, { size: 1_500_000 });
  return upstream;
}

test('a root that the upstream never sends fails its version, and no other; it can come later', async () => {
  const upstream = await startUpstream();
  const proxy = await FaultProxy.start(upstream.url);
  onTestFinished(() => proxy.stop());
  proxy.inject({ do: { kind: 'stall' }, when: ({ path }) => path === `/${root}` });
  const parts = await mirrorServices();
  const times = { idle: 300, backoff: { attempts: 2, firstDelay: 1, longestDelay: 1 } };
  const { outcome, report } = await runMirror(definition(proxy.url), parts, { cause: 'manual', times });
  expect({ outcome, added: report.added, failed: report.failed }).toEqual({
    outcome: 'partial',
    added: 2,
    failed: [
      { product, version: hanging, error: expect.stringContaining('the upstream does not answer') as string },
    ],
  });
  expect(await held(parts)).toEqual(others);

  proxy.reset();
  expect(await runMirror(definition(proxy.url), parts, { cause: 'manual' })).toMatchObject({
    outcome: 'success',
    report: { added: 1, kept: 2 },
  });
});

test('a root that hangs its examination fails its version, and no other; its digest can come again', async () => {
  const upstream = await startUpstream();
  const directory = await scratchDirectory();
  const marker = join(directory, 'marker');
  const bytes = upstream.files.get(root) ?? Buffer.alloc(0);
  await writeFile(marker, bytes.subarray(10_000, 10_040).toString('hex'));
  process.env['HANG_ON'] = marker;
  onTestFinished(() => void delete process.env['HANG_ON']);
  const parts = await partsWith(new URL('./hanging-worker.mjs', import.meta.url));
  const { outcome, report } = await runMirror(definition(upstream.url), parts, { cause: 'manual' });
  expect({ outcome, added: report.added, failed: report.failed }).toEqual({
    outcome: 'partial',
    added: 2,
    failed: [{ product, version: hanging, error: expect.stringContaining('no progress for 5 s') as string }],
  });
  expect(await held(parts)).toEqual(others);
  expect(await parts.store.stat(parseDigest(upstream.digestOf(root)))).toBeUndefined();

  await rm(marker);
  expect(await runMirror(definition(upstream.url), parts, { cause: 'manual' })).toMatchObject({
    outcome: 'success',
    report: { added: 1, kept: 2 },
  });
  expect(await parts.store.stat(parseDigest(upstream.digestOf(root)))).toMatchObject({ size: bytes.length });
});

/** A data directory whose files are examined by a program of the test's. */
async function partsWith(program: URL): Promise<MirrorServices> {
  const dataDir = await scratchDirectory();
  const catalog = await Catalog.open(join(dataDir, 'catalog.db'));
  const store = new DirectoryStore(dataDir);
  await store.open({ create: true });
  const intake = new Intake({
    count: 8,
    memory: 512 * 1024 * 1024,
    timeout: 5000,
    directory: join(dataDir, 'staging'),
    program,
  });
  onTestFinished(async () => {
    await intake.close();
    await store.close();
    await catalog.close();
  });
  return { catalog, store, destination: new LocalDestination({ catalog, store, intake }), dataDir };
}
