import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCleartextMessage, createMessage, readPrivateKey, sign } from 'openpgp';
import { planBundle } from '../../../src/bundle/create/plan.ts';
import { contentOf, streamContent } from '../../../src/bundle/format/content.ts';
import { renderManifest } from '../../../src/bundle/format/manifest.ts';
import type { Manifest } from '../../../src/bundle/format/manifest-schema.ts';
import type { BlobMember } from '../../../src/bundle/format/members.ts';
import { PassingBlobs } from '../../../src/bundle/format/passing-blobs.ts';
import {
  packManifest,
  type VolumeContent,
  type VolumeHead,
  volumeBytes,
} from '../../../src/bundle/format/volume-bytes.ts';
import { renderReceipt } from '../../../src/bundle/receipt/receipt.ts';
import { Verifier } from '../../../src/keys/verifier.ts';
import { randomFrom } from '../mutate.ts';
import { fuzzKey } from './fuzz-key.ts';

/** A bundle as its site writes it. */
export interface FuzzBundle {
  manifest: Manifest;
  /** `bundle.json` */
  bytes: Buffer;
  head: VolumeHead;
  volumes: Buffer[];
  stream: Buffer;
}

/** What mutants are made of. */
export interface BundleCorpus {
  /** One with small blobs, and one whose largest blob is in pieces. */
  small: FuzzBundle;
  cut: FuzzBundle;
  /** A clear-signed document of simplestreams. */
  document: { text: string; signed: string };
  receipt: { text: string; signed: string };
  /** A detached signature of the small manifest is in its head. */
  verifier: Verifier;
}

const mebibyte = 1024 * 1024;
const created = new Date('2026-11-29T14:00:00Z');
// Without random notations, a signature is the same each time.
const config = { nonDeterministicSignaturesViaNotation: false };

/** Makes the same corpus each time. */
export async function makeBundleCorpus(): Promise<BundleCorpus> {
  const key = await readPrivateKey({ armoredKey: fuzzKey });
  const common = { signingKeys: key, date: created, config };
  const clear = async (text: string) =>
    await sign({ ...common, message: await createCleartextMessage({ text }) });
  const detached = async (binary: Uint8Array) =>
    await sign({ ...common, message: await createMessage({ binary }), detached: true });
  const directory = await mkdtemp(join(tmpdir(), 'headwater-fuzz-key-'));
  try {
    const keyring = join(directory, 'key.asc');
    await writeFile(keyring, key.toPublic().armor());
    const receipt = receiptText();
    const document = documentText();
    return {
      small: await bundleOf([10, 0, 511, 512, 700], 2 ** 32, detached),
      cut: await bundleOf([100, 2.5 * mebibyte, 50], 1.5 * mebibyte, detached),
      receipt: { text: receipt, signed: await clear(receipt) },
      document: { text: document, signed: await clear(document) },
      verifier: await Verifier.open(keyring),
    };
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function bundleOf(
  sizes: readonly number[],
  limit: number,
  sign: (bytes: Uint8Array) => Promise<string>,
): Promise<FuzzBundle> {
  const random = randomFrom(sizes.length);
  const blobs = new Map(
    sizes.map((size) => {
      const bytes = Buffer.from(Uint8Array.from({ length: size }, () => Math.floor(random() * 256)));
      return [`sha256:${createHash('sha256').update(bytes).digest('hex')}`, bytes];
    }),
  );
  const toCarry = [...blobs].map(([digest, { length }]) => ({ digest, size: length }));
  const before = `sha256:${'0'.repeat(64)}`;
  const manifest: Manifest = {
    ...planBundle(
      { ...stateOf(toCarry, before), blobs: [...toCarry, { digest: before, size: 5 }] },
      {
        ...{
          site: 'hq',
          to: 'vault-7',
          sequence: 7,
          previous: '1'.repeat(64),
          created,
          label: 'fuzz',
          limit,
        },
        sent: new Map([[before, 6]]),
      },
    ),
    headwater: '0.2.0',
  };
  const bytes = renderManifest(manifest);
  const head = { manifest: packManifest(bytes), signature: Buffer.from(await sign(bytes)) };
  const read = async ({ blob, offset, size }: BlobMember) =>
    chunk((blobs.get(blob.digest) ?? Buffer.alloc(0)).subarray(offset, offset + size));
  const write = async (content: VolumeContent, passing: PassingBlobs) => {
    const parts: Uint8Array[] = [];
    for await (const part of volumeBytes(content, passing, read)) parts.push(Buffer.from(part));
    return Buffer.concat(parts);
  };
  const passing = new PassingBlobs();
  const volumes: Buffer[] = [];
  for (let volume = 1; volume <= manifest.volumes.count; volume++) {
    volumes.push(await write(contentOf(manifest, head, volume), passing));
  }
  const stream = await write(streamContent(manifest, head, bytes), new PassingBlobs());
  return { manifest, bytes, head, volumes, stream };
}

async function* chunk(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function stateOf(
  blobs: readonly { digest: string; size: number }[],
  before: string,
): Pick<Manifest, 'products' | 'versions'> {
  const product = { stream: 'images', product: 'debian:bookworm:amd64:default', label: 'release' };
  return {
    products: [
      {
        ...{ name: product.product, stream: 'images', owner: 'mirror:debian', osTitle: 'Debian' },
        ...{ releaseTitle: 'bookworm', supportEol: '2028-06-30', requirements: { secureboot: 'false' } },
        aliases: ['debian/12', 'debian/bookworm'],
      },
    ],
    versions: [
      {
        ...{ ...product, serial: '20260101_0000' },
        items: blobs.map(({ digest, size }, at) => ({
          ...{ type: 'squashfs' as const, file: `file-${at}`, digest, size, fingerprint: '2'.repeat(64) },
        })),
      },
      {
        ...{ ...product, serial: '20251201_0000' },
        items: [{ type: 'metadata', file: 'lxd.tar.xz', digest: before, size: 5 }],
      },
    ],
  };
}

function receiptText(): string {
  const digests = Array.from({ length: 8 }, (_, at) => createHash('sha256').update(`${at}`).digest('hex'));
  return renderReceipt({
    ...{ site: 'vault-7', from: 'hq', created: created.toISOString(), headwater: '0.2.0' },
    ...{ last: { sequence: 7, identity: '3'.repeat(64) } },
    ...{ missing: digests.slice(0, 2), held: digests.slice(2) },
  });
}

function documentText(): string {
  const item = { ftype: 'squashfs', path: 'images/a', sha256: '4'.repeat(64), size: 5 };
  const document = {
    ...{ format: 'products:1.0', content_id: 'images', datatype: 'image-downloads' },
    updated: 'Sun, 29 Nov 2026 14:00:00 +0000',
    products: {
      'debian:bookworm:amd64:default': {
        ...{ aliases: 'debian/12', arch: 'amd64', os: 'Debian', release: 'bookworm' },
        ...{ note: '- a dash\n-- two dashes', versions: { '20260101_0000': { items: { squashfs: item } } } },
      },
    },
  };
  // Lines that begin with a dash are escaped in a clear-signed text.
  return `${JSON.stringify(document, null, 1)}\n- -----BEGIN\n`;
}
