import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { parseDigest } from '../../../src/model/digest.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition, find, mirrorServices } from '../workspace.ts';

const bookworm = 'debian:bookworm:amd64:default';
const manual = { cause: 'manual' as const };
const serials = Array.from({ length: 40 }, (_, index) => `20260101_${String(index).padStart(4, '0')}`);

/** An upstream with many versions of a few KiB, which come together. */
async function crowd() {
  const upstream = await TestUpstream.start();
  for (const serial of serials) await upstream.offer(bookworm, serial);
  const item = (serial: string, ftype: string) => {
    const said = upstream.products[bookworm]?.versions[serial]?.items[ftype] ?? {};
    return { path: String(said['path']), sha256: String(said['sha256']), said };
  };
  const mirror = definition(upstream.url, { keep: { versions: 100, removed: 'keep' } });
  return { upstream, item, mirror, parts: await mirrorServices() };
}

test('many small versions come whole, with the fingerprints that their upstream gives them', async () => {
  const { item, mirror, parts } = await crowd();
  expect(await runMirror(mirror, parts, manual)).toMatchObject({
    outcome: 'success',
    report: { added: serials.length, failures: 0 },
  });
  const { versions } = await find(parts, bookworm);
  expect(versions.map(({ serial }) => serial)).toEqual(serials);
  for (const { serial, items } of versions) {
    const metadata = item(serial, 'lxd.tar.xz');
    const root = items.find(({ type }) => type === 'squashfs');
    expect(root?.fingerprint).toBe(metadata.said['combined_squashfs_sha256']);
    for (const { digest, size } of items) {
      const whole = await buffer(await parts.store.read(parseDigest(digest)));
      expect(whole.length).toBe(size);
      expect(createHash('sha256').update(whole).digest('hex')).toBe(digest);
    }
  }
  expect(await readdir(join(parts.dataDir, 'staging'))).toEqual([]);
});

test('of many small versions those fail alone whose files are wrong or no images', async () => {
  const { upstream, item, mirror, parts } = await crowd();
  const [damaged = '', replaced = ''] = serials;
  const bytes = upstream.files.get(item(damaged, 'root.squashfs').path) ?? Buffer.alloc(0);
  upstream.files.set(item(damaged, 'root.squashfs').path, Buffer.from(bytes).fill(1, 100, 200));
  const text = Buffer.from('no image at all');
  upstream.files.set(item(replaced, 'lxd.tar.xz').path, text);
  Object.assign(item(replaced, 'lxd.tar.xz').said, {
    sha256: createHash('sha256').update(text).digest('hex'),
    size: text.length,
  });
  upstream.announce();
  const { report } = await runMirror(mirror, parts, manual);
  expect(report).toMatchObject({ added: serials.length - 2, failures: 2 });
  expect(report.failed.map(({ version }) => version).sort()).toEqual([damaged, replaced]);
  expect(report.failed.map(({ error }) => error).join('\n')).toMatch(/sha256 is .* was announced/);
  expect(report.failed.map(({ error }) => error).join('\n')).toMatch(/no image file/);
  const { versions } = await find(parts, bookworm);
  expect(versions).toHaveLength(serials.length - 2);
  expect(await readdir(join(parts.dataDir, 'staging'))).toEqual([]);
});

test('small files that a run had stored when it was killed, of which the catalog does not know, are not fetched again', async () => {
  const { upstream, item, mirror, parts } = await crowd();
  await parts.catalog.mirrors.begin(mirror.name, 'manual');
  for (const serial of serials) {
    for (const ftype of ['lxd.tar.xz', 'root.squashfs']) {
      const { path, sha256 } = item(serial, ftype);
      const bytes = upstream.files.get(path) ?? Buffer.alloc(0);
      await parts.store.write(only(bytes), { digest: parseDigest(sha256), size: bytes.length });
    }
  }
  upstream.takeRequests();
  expect(await runMirror(mirror, parts, manual)).toMatchObject({
    report: { added: serials.length, fetched: 0 },
  });
  expect(upstream.takeRequests().filter((request) => !request.includes('streams/v1'))).toEqual([]);
});

test('where no file is to be kept the catalog does not change', async () => {
  const { destination, catalog } = await mirrorServices();
  const { revision } = await catalog.changes.since(0);
  expect(await destination.storeAll([])).toEqual([]);
  const text = Buffer.from('no image at all');
  expect(await destination.storeAll([{ file: { from: 'memory', name: 'text', bytes: text } }])).toMatchObject(
    [{ error: { kind: 'invalid' } }],
  );
  expect(await catalog.changes.since(0)).toMatchObject({ revision });
});

async function* only(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
