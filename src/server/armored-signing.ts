import type { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { ExpiringMap } from '../async/expiring-map.ts';
import { HeadwaterError } from '../errors.ts';
import type { ArmoredSignatures } from '../http/lxc/lxc-surface.ts';
import { armorSignature } from '../keys/armor.ts';
import type { SignerSource } from '../keys/open-signer.ts';
import { type Digest, parseDigest } from '../model/digest.ts';
import { assemble, type Document, gzipSegment } from '../simplestreams/write/gzip-segment.ts';
import { DetachedSignatures } from '../simplestreams/write/signed/detached-signatures.ts';
import { SigningThread } from '../simplestreams/write/signed/signing-thread.ts';

/** The lifetime of signatures of files in milliseconds, and their number. */
const keptFor = 24 * 3_600_000;
const keptSignatures = 1000;
/** Files that may wait for their signatures: each is read as a whole. */
const maxWaiting = 20;

interface Parts {
  /** Signs a document. */
  sign: (bytes: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;
  /** The key that signs now. */
  source: () => SignerSource;
  /** Opens a stored file. */
  read: (digest: Digest) => Promise<Readable>;
}

/**
 * Makes armored signatures. A file is read and signed when a client first asks for its signature, in a thread of its own, one
 * file after the other: only LXC before 4.0.12 asks, so that it would not pay to sign all files.
 */
export class ArmoredSigning implements ArmoredSignatures {
  readonly #parts: Parts;
  readonly #documents: DetachedSignatures;
  /** By digest. */
  #files = new ExpiringMap<string, Promise<Document>>(keptFor, { maxEntries: keptSignatures });
  #thread: Promise<SigningThread> | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#documents = new DetachedSignatures(async (bytes) =>
      Buffer.from(await armorSignature(await parts.sign(bytes))),
    );
  }

  async document(document: Document): Promise<Document> {
    return await this.#documents.of(document).catch(hideReason);
  }

  async file({ digest }: { digest: string }): Promise<Document> {
    const known = this.#files.get(digest);
    if (known !== undefined) return await known.catch(hideReason);
    if (this.#waiting >= maxWaiting) {
      throw new HeadwaterError('unavailable', 'too many files are being signed: try again later');
    }
    this.#waiting++;
    const signing = this.#queue.then(() => this.#sign(parseDigest(digest)));
    this.#queue = signing.catch(() => undefined).finally(() => this.#waiting--);
    this.#files.set(digest, signing);
    const files = this.#files;
    signing.catch(() => files.delete(digest));
    return await signing.catch(hideReason);
  }

  /** Signs with another key from now on. */
  async use(source: SignerSource): Promise<void> {
    await (await this.#thread)?.use(source);
  }

  /** Forgets all signatures, after a change of the key. */
  async renew(): Promise<void> {
    await this.#documents.renew([]);
    this.#files = new ExpiringMap(keptFor, { maxEntries: keptSignatures });
  }

  async close(): Promise<void> {
    await (await this.#thread)?.close();
  }

  async #sign(digest: Digest): Promise<Document> {
    this.#thread ??= SigningThread.start(this.#parts.source());
    const thread = await this.#thread.catch((error: unknown) => {
      this.#thread = undefined;
      throw error;
    });
    const signature = await thread.detachedFrom(streamOf(await this.#parts.read(digest)));
    return assemble([await gzipSegment(await armorSignature(signature))], 'application/pgp-signature');
  }
}

/** Hides the reason from clients: it may quote the program that signs. The log contains it. */
export function hideReason(cause: unknown): never {
  throw new HeadwaterError('unavailable', 'the document cannot be signed now: try again later', { cause });
}

/** The bytes as a stream that can be transferred to a thread. */
function streamOf(bytes: Readable): ReadableStream<Uint8Array> {
  const chunks = bytes[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done === true) controller.close();
        // Stores reuse the memory of their chunks.
        else controller.enqueue(Uint8Array.from(value));
      },
      cancel() {
        bytes.destroy();
      },
    },
    { highWaterMark: 1 },
  );
}
