import { createHash, type Hash, hash } from 'node:crypto';
import { Channel } from '../../async/channel.ts';
import { singleChunk } from '../../async/single-chunk.ts';
import { HeadwaterError } from '../../errors.ts';
import { decompress } from '../compression/compression.ts';
import { gunzipSmall, type Noticed } from '../compression/gzip.ts';
import type { Compression, Content } from '../content.ts';
import type { FormatInspector } from '../format-inspector.ts';
import { unpackedFloor, unpackedRatioLimit } from '../limits.ts';
import { isTarHeader, walkTar } from './tar.ts';
import { TarballScan } from './tarball-scan.ts';

const blockSize = 512;
/** The number of bytes that are processed at a time, so that no more than these are copied. */
const pieceSize = 256 * 1024;

/** What an inspector leaves out. */
export interface InspectorOptions {
  /** false: the digest of the unpacked archive of a gzip root. */
  unpackedDigest?: boolean;
}

/** Unpacks a tarball as its bytes pass, and determines its content. */
export class TarballInspector implements FormatInspector {
  readonly #packed = new Channel();
  readonly #content: Promise<Content>;

  /** @param onProgress called for each unpacked piece */
  constructor(compression: Compression, onProgress: () => void, options: InspectorOptions = {}) {
    this.#content = examine(compression, this.#packed, onProgress, options);
    this.#content.catch(() => undefined);
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += pieceSize) {
      // A copy, because tar-stream keeps the rest of a chunk until the next one arrives.
      await this.#packed.write(Buffer.from(bytes.subarray(at, at + pieceSize)));
      if (this.#packed.isCancelled) await this.#content;
    }
  }

  async end(): Promise<Content> {
    this.#packed.end();
    return await this.#content;
  }

  abort(): void {
    this.#packed.fail(new HeadwaterError('aborted', 'the file was abandoned before its end'));
  }
}

/**
 * Determines the content of a tarball in memory.
 * @throws HeadwaterError `invalid` as {@link TarballInspector}
 */
export async function inspectTarball(
  compression: Compression,
  packed: Uint8Array,
  onProgress: () => void,
): Promise<Content> {
  const unpacked = compression === 'gzip' ? gunzipSmall(packed) : undefined;
  if (unpacked === undefined) return await examine(compression, singleChunk(packed), onProgress);
  const scan = new TarballScan();
  await walkTar(assertTar(compression, singleChunk(unpacked)), (entry) => scan.visit(entry));
  return withUnpacked(scan.content(compression, unpacked.length), hash('sha256', unpacked));
}

async function examine(
  compression: Compression,
  packed: AsyncIterable<Uint8Array>,
  onProgress: () => void,
  { unpackedDigest = true }: InspectorOptions = {},
): Promise<Content> {
  const scan = new TarballScan();
  const meter = new Meter(onProgress);
  const noticed: Noticed = {};
  const digest = compression === 'gzip' && unpackedDigest ? createHash('sha256') : undefined;
  const unpacked = meter.unpacked(decompress(compression, meter.packed(packed), noticed), digest);
  await walkTar(assertTar(compression, unpacked), (entry) => scan.visit(entry));
  const content = scan.content(compression, meter.unpackedBytes);
  if (digest === undefined || noticed.padding === true) return content;
  return withUnpacked(content, digest.digest('hex'));
}

/** @param unpacked {@link Content}: only of a root, because only roots become layers */
function withUnpacked(content: Content, unpacked: string): Content {
  return content.kind === 'rootfs-tarball' ? { ...content, unpacked } : content;
}

/** Counts bytes on both sides of a decompressor, and stops it when they are out of proportion. */
class Meter {
  unpackedBytes = 0;
  #packedBytes = 0;
  readonly #onProgress: () => void;

  constructor(onProgress: () => void) {
    this.#onProgress = onProgress;
  }

  async *packed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const bytes of source) {
      this.#packedBytes += bytes.length;
      yield bytes;
    }
  }

  /** @param digest updated with the unpacked bytes */
  async *unpacked(source: AsyncIterable<Uint8Array>, digest: Hash | undefined): AsyncGenerator<Uint8Array> {
    for await (const bytes of source) {
      this.#onProgress();
      digest?.update(bytes);
      this.unpackedBytes += bytes.length;
      if (this.unpackedBytes > unpackedFloor + this.#packedBytes * unpackedRatioLimit) {
        throw new HeadwaterError(
          'invalid',
          `the archive unpacks to more than ${unpackedFloor / 1024 ** 2} MiB plus ${unpackedRatioLimit} times its size, as only a decompression bomb does`,
        );
      }
      yield bytes;
    }
  }
}

/** The same bytes, after a check that the first block is that of a tar archive. */
async function* assertTar(
  compression: Compression,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const bytes of source) {
    if (head === undefined) {
      yield bytes;
      continue;
    }
    head = Buffer.concat([head, bytes]);
    if (head.length < blockSize) continue;
    if (!isTarHeader(head)) throw noTar(compression);
    yield head;
    head = undefined;
  }
  if (head !== undefined) throw noTar(compression);
}

function noTar(compression: Compression): HeadwaterError {
  return new HeadwaterError(
    'invalid',
    `compressed with ${compression}, but contains no tar archive, or an empty one`,
  );
}
