import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contentOf, streamContent } from '../../../src/bundle/format/content.ts';
import { planLayout } from '../../../src/bundle/format/layout.ts';
import { parseManifest, renderManifest } from '../../../src/bundle/format/manifest.ts';
import { bundleFormat, type Manifest } from '../../../src/bundle/format/manifest-schema.ts';
import type { BlobMember } from '../../../src/bundle/format/members.ts';
import { PassingBlobs } from '../../../src/bundle/format/passing-blobs.ts';
import { BlockReader } from '../../../src/bundle/format/read-blocks.ts';
import { readHead, readStream, readVolume } from '../../../src/bundle/format/read-volume.ts';
import { packManifest, volumeBytes, volumeSize } from '../../../src/bundle/format/volume-bytes.ts';

const mebibyte = 1024 * 1024;

/** Some blobs, one of which is larger than a volume. */
const blobs = [10, 0, 700_000, 5 * mebibyte + 1, 512].map((size) => randomBytes(size));
const byDigest = new Map(
  blobs.map((bytes) => [`sha256:${createHash('sha256').update(bytes).digest('hex')}`, bytes]),
);

function makeManifest(limit: number): Manifest {
  const toCarry = [...byDigest].map(([digest, bytes]) => ({ digest, size: bytes.length }));
  const { carried, volumeCount } = planLayout(toCarry, limit, 16_384);
  return {
    ...{ format: bundleFormat, requires: [], site: 'hq', to: 'vault-7', sequence: 7, previous: null },
    ...{ created: '2026-11-29T14:00:00.000Z', headwater: '0.2.0' },
    volumes: {
      count: volumeCount,
      limit: Number.isFinite(limit) ? limit : null,
      bytes: toCarry.reduce((sum, { size }) => sum + size, 0),
    },
    products: [
      {
        ...{ name: 'a:b:amd64:default', stream: 'images', owner: 'local', osTitle: 'A', releaseTitle: 'b' },
        ...{ requirements: {}, aliases: ['a/b'] },
      },
    ],
    versions: [
      {
        ...{ stream: 'images', product: 'a:b:amd64:default', serial: '20260101_0000', label: 'release' },
        items: toCarry.map(({ digest, size }, index) => ({
          ...{ type: 'squashfs' as const, file: `file-${index}`, digest, size },
        })),
      },
    ],
    ...{ carried, assumed: [] },
  };
}

async function* readPart({ blob, offset, size }: BlobMember): AsyncGenerator<Uint8Array> {
  const bytes = byDigest.get(blob.digest) ?? Buffer.alloc(0);
  for (let at = 0; at < size; at += 100_000) {
    yield bytes.subarray(offset + at, offset + Math.min(size, at + 100_000));
  }
}

const manifest = makeManifest(3 * mebibyte);
const signed = { manifest: renderManifest(manifest), signature: Buffer.from('a signature\n') };
const head = { manifest: packManifest(signed.manifest), signature: signed.signature };
const limit = manifest.volumes.limit ?? 0;

async function write(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

async function makeVolumes(): Promise<Buffer[]> {
  const passing = new PassingBlobs();
  const volumes: Buffer[] = [];
  for (let number = 1; number <= manifest.volumes.count; number++) {
    const content = contentOf(manifest, head, number);
    const bytes = await write(volumeBytes(content, passing, async (member) => readPart(member)));
    expect(bytes.length).toBe(volumeSize(content));
    volumes.push(bytes);
  }
  return volumes;
}

async function* inChunks(bytes: Buffer, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(volumes: (Buffer | undefined)[]) {
  const passing = new PassingBlobs();
  const problems: string[][] = [];
  for (const [index, bytes] of volumes.entries()) {
    if (bytes === undefined) continue;
    const expected = { ...contentOf(manifest, head, index + 1), ...signed };
    const found = await readVolume(inChunks(bytes), expected, passing);
    expect(found.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    problems.push(found.problems);
  }
  const lost = manifest.carried.filter((blob) => !passing.isGood(blob)).map(({ digest }) => digest);
  return { problems, lost };
}

test('what is written is read back, and no volume is over its limit', async () => {
  const volumes = await makeVolumes();
  expect(volumes.length).toBeGreaterThan(2);
  for (const { length } of volumes) expect(length).toBeLessThanOrEqual(limit);
  const { problems, lost } = await read(volumes);
  expect(problems.flat()).toEqual([]);
  expect(lost).toEqual([]);
});

test('a changed byte is found, and costs one blob at most', async () => {
  const volumes = await makeVolumes();
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), async (volume, at, change) => {
      const damaged = volumes.map((bytes) => Buffer.from(bytes));
      const bytes = damaged[volume % damaged.length] ?? Buffer.alloc(0);
      const place = at % bytes.length;
      // The time and the system in the header of gzip (RFC 1952, section 2.3.1) change nothing that is read.
      fc.pre(place < 512 + 4 || place >= 512 + 10);
      bytes.writeUInt8((bytes.readUInt8(place) + change) % 256, place);
      const { problems, lost } = await read(damaged);
      expect(problems.flat()).not.toEqual([]);
      expect(lost.length).toBeLessThanOrEqual(1);
    }),
    { numRuns: 60 },
  );
});

test('of a volume that was cut, the blobs before the cut are good', async () => {
  const volumes = await makeVolumes();
  const first = volumes[0] ?? Buffer.alloc(0);
  const { problems, lost } = await read([first.subarray(0, first.length - 1500), ...volumes.slice(1)]);
  expect(problems.flat()).toEqual([expect.stringMatching(/^it ends after \d+ bytes$/)]);
  expect(lost).toHaveLength(1);
});

test('a missing volume costs the blobs that have bytes in it', async () => {
  const [, ...others] = await makeVolumes();
  const { problems, lost } = await read([undefined, ...others]);
  expect(problems.flat()).toEqual([]);
  const inFirst = manifest.carried.filter(
    ({ volume, pieces }) => volume === 1 || pieces?.some((piece) => piece.volume === 1),
  );
  expect(lost).toEqual(inFirst.map(({ digest }) => digest));
});

test('more members than the manifest names are told in bytes', async () => {
  const volumes = await makeVolumes();
  const { problems } = await read([
    Buffer.concat([volumes[0] ?? Buffer.alloc(0), Buffer.alloc(5_000_000)]),
    ...volumes.slice(1),
  ]);
  expect(problems.flat()).toEqual(['it has 5000000 bytes too many']);
});

test('a store with other bytes than the digest says is not exported', async () => {
  const passing = new PassingBlobs();
  const content = contentOf(manifest, head, 1);
  const wrong = async function* (member: BlobMember) {
    for await (const part of readPart(member)) yield Buffer.from(part).fill(1);
  };
  await expect(write(volumeBytes(content, passing, async (member) => wrong(member)))).rejects.toThrow(
    /^blob sha256:[0-9a-f]{64}: the store has other bytes/,
  );
});

test('a stream is read behind its head, and tells when it was cut', async () => {
  const whole = makeManifest(Number.POSITIVE_INFINITY);
  const bytes = renderManifest(whole);
  const content = streamContent(whole, { manifest: packManifest(bytes), signature: signed.signature }, bytes);
  const stream = await write(volumeBytes(content, new PassingBlobs(), async (member) => readPart(member)));
  for (const [length, expected] of [
    [stream.length, []],
    [stream.length - 1100, [expect.stringMatching(/^it was cut/)]],
    [stream.length - 3_000_000, [expect.stringMatching(/^it was cut/)]],
  ] as const) {
    const reader = new BlockReader(inChunks(stream.subarray(0, length)));
    const found = await readHead(reader);
    expect(parseManifest(found.manifest, 'it')).toEqual(whole);
    expect(found.signature).toEqual(signed.signature);
    const passing = new PassingBlobs();
    expect(await readStream(reader, content, passing)).toEqual(expected);
  }
});

test.each([
  ['nothing', Buffer.alloc(0), 'is no bundle'],
  ['zeros', Buffer.alloc(10_240), 'a member that no bundle has'],
  ['random bytes', randomBytes(10_240), 'a member that no bundle has'],
])('%s is no bundle', async (_, bytes, message) => {
  await expect(readHead(new BlockReader(inChunks(bytes)))).rejects.toThrow(message);
});
