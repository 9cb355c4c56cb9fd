import { mkdir, readdir, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { basename, join } from 'node:path';
import { HeadwaterError, isKind, LimitError } from '../errors.ts';
import { statOf } from '../files/file-system.ts';
import { openFile } from '../files/open-file.ts';
import { Spool, spooled } from '../files/spool.ts';
import { defined } from '../model/defined.ts';
import type { Digest } from '../model/digest.ts';
import type { StoredFile } from './destination/destination.ts';
import type { LocalDestination } from './destination/local-destination.ts';
import { notAnnounced, received } from './upload-body.ts';
import { type UnfinishedLimits, unfinishedLimit } from './upload-limits.ts';
import { fileName, hashOf, type Upload, uploadOf } from './upload-names.ts';

/** A part of a blob, as announced by the request. */
export interface Part {
  /** The offset of its first byte in the blob. */
  offset: number;
  /** The announced size of the whole blob in bytes, if any. */
  total?: number;
}

/** The sender of an upload. */
export interface Uploader {
  /** `client:NAME` or `token:NAME`. */
  key: string;
  /** The destination of the blob, on behalf of the uploader. */
  destination: LocalDestination;
}

/** Refuses too many bytes. @throws LimitError */
type AssertRoom = (size: number) => Promise<void>;

/** The next part must begin at another offset, which the error contains. */
export class WrongOffset extends HeadwaterError {
  readonly offset: number;

  constructor(offset: number) {
    super(
      'conflict',
      `the upload resumes at byte ${offset}: send the rest with Content-Range, or the whole without`,
    );
    this.offset = offset;
  }
}

/**
 * Receives blobs over HTTP. The bytes of an interrupted upload stay on the local disk, and the uploader's next request
 * resumes it. Uploads of one blob by several uploaders are independent.
 */
export class Uploads {
  readonly #directory: string;
  readonly #uploadersOf: (digest: Digest) => Promise<ReadonlySet<string>>;
  readonly #limit: number;
  /** The names of the files that are being written, with their sizes in bytes. */
  readonly #active = new Map<string, number>();
  /** Bytes of finished uploads since the server started, by the keys of their uploaders. */
  readonly #finished = new Map<string, number>();
  readonly #unfinished: UnfinishedLimits;

  /**
   * @param options.limit the most bytes of a blob
   * @param options.uploadersOf the uploaders of a stored blob
   */
  constructor(options: {
    directory: string;
    uploadersOf: (digest: Digest) => Promise<ReadonlySet<string>>;
    limit: number;
    unfinished: UnfinishedLimits;
  }) {
    this.#directory = options.directory;
    this.#uploadersOf = options.uploadersOf;
    this.#limit = options.limit;
    this.#unfinished = options.unfinished;
  }

  /** How many bytes an interrupted upload has; 0 when there is none. */
  async offset(digest: Digest, uploader: Pick<Uploader, 'key'>): Promise<number> {
    return await spooled(this.#path(fileName(digest, uploader.key)));
  }

  /**
   * Receives a blob or the rest of it, checks it and stores it.
   * @param options.metadata the metadata item that belongs to this root: the fingerprint is computed as the bytes pass
   * @throws WrongOffset; HeadwaterError `conflict` while another request of the uploader sends the same blob,
   * `too-large`, `invalid` when the bytes are not the announced ones (then nothing of them stays), `aborted` when the
   * client disconnects (then they stay, so that the upload can resume)
   */
  async receive(
    digest: Digest,
    part: Part,
    body: IncomingMessage,
    options: { uploader: Uploader; metadata?: StoredFile },
  ): Promise<StoredFile> {
    const name = fileName(digest, options.uploader.key);
    if (this.#active.has(name)) {
      throw new HeadwaterError(
        'conflict',
        `blob sha256:${digest} is being uploaded by another request: try again later`,
      );
    }
    this.#active.set(name, part.offset);
    try {
      return await this.#receive(digest, part, body, options);
    } finally {
      this.#active.delete(name);
    }
  }

  /**
   * Removes the files of uploads that were not continued since `before`, or that their uploaders have finished. Other
   * files stay as they are.
   */
  async clean(before: Date): Promise<void> {
    for (const name of await readdir(this.#directory).catch(() => [])) {
      const upload = uploadOf(name);
      if (upload === undefined || this.#active.has(name)) continue;
      const path = this.#path(name);
      const stats = await statOf(path);
      if (stats === undefined) continue;
      if (stats.mtime < before || (await this.#isFinished(upload))) await rm(path, { force: true });
    }
  }

  async #receive(
    digest: Digest,
    part: Part,
    body: IncomingMessage,
    { uploader, metadata }: { uploader: Uploader; metadata?: StoredFile },
  ): Promise<StoredFile> {
    this.#assertAllowed(part.total ?? 0);
    const path = this.#path(fileName(digest, uploader.key));
    const here = await this.offset(digest, uploader);
    const assertRoom = await this.#room(digest, uploader);
    await assertRoom(part.total ?? 0);
    if (part.offset !== 0 && part.offset !== here) throw new WrongOffset(here);
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const progress = { broken: false };
    try {
      const kept = await uploader.destination.store(
        {
          from: 'stream',
          name: `blob sha256:${digest}`,
          ...defined({ size: part.total }),
          bytes: this.#arriving(path, part, body, { progress, assertRoom }),
          landing: { path },
          expectedDigest: digest,
        },
        metadata === undefined ? {} : { metadata },
      );
      await rm(path, { force: true });
      this.#finished.set(uploader.key, (this.#finished.get(uploader.key) ?? 0) + kept.size);
      return kept;
    } catch (error) {
      // On a full disk, the bytes are removed at once: otherwise the disk would stay full.
      const transient = isKind(error, 'unavailable');
      if (!progress.broken && !transient) await rm(path, { force: true });
      if (!body.destroyed) body.resume();
      throw error;
    }
  }

  /** The bytes that arrived earlier, then the new ones, which are written to the file as they pass. */
  async *#arriving(
    path: string,
    part: Part,
    body: IncomingMessage,
    { progress, assertRoom }: { progress: { broken: boolean }; assertRoom: AssertRoom },
  ): AsyncGenerator<Uint8Array> {
    if (part.offset > 0) yield* (await openFile(path)).bytes;
    const spool = await Spool.open(path, part.offset);
    let size = part.offset;
    try {
      for await (const chunk of received(body, progress)) {
        size += chunk.length;
        this.#assertAllowed(size);
        await assertRoom(size);
        this.#active.set(basename(path), size);
        if (part.total !== undefined && size > part.total) throw notAnnounced(size, part.total);
        await spool.write(chunk);
        yield chunk;
      }
    } finally {
      await spool.close();
    }
    if (part.total !== undefined && size < part.total) {
      progress.broken = true;
      throw notAnnounced(size, part.total);
    }
  }

  #assertAllowed(size: number): void {
    if (size <= this.#limit) return;
    throw new LimitError(
      'uploadSize',
      'too-large',
      `a blob may have ${this.#limit} bytes at most (limits.uploadSize), not ${size}`,
    );
  }

  /**
   * Checks the number of other uploads, and returns a function that checks the bytes of this one: together with the
   * bytes of the others, and of the uploader's blobs that no version contains.
   * @throws LimitError when there are too many others
   */
  async #room(digest: Digest, { key }: Uploader): Promise<AssertRoom> {
    const name = fileName(digest, key);
    const { uploads, bytes, unpublished } = this.#unfinished;
    const isOther = (file: string) => file !== name && file.split('-')[1] === name.split('-')[1];
    const files = (await readdir(this.#directory).catch(() => [])).filter(isOther);
    const active = () => [...this.#active].filter(([file]) => isOther(file));
    if (new Set([...files, ...active().map(([file]) => file)]).size >= uploads) {
      throw unfinishedLimit('unfinishedUploads', uploads);
    }
    let idle = 0;
    for (const file of files) if (!this.#active.has(file)) idle += await spooled(this.#path(file));
    const kept = () => this.#finished.get(key) ?? 0;
    // Blobs that were stored since are added to the catalog's sum, which is asked again only when the limit is reached.
    const look = async () => ({ keptThen: kept(), bytes: await unpublished(key) });
    let known = await look();
    const room = () => {
      const others = active().reduce((sum, [, size]) => sum + size, idle);
      return bytes - others - known.bytes - (kept() - known.keptThen);
    };
    return async (size) => {
      if (size <= room()) return;
      known = await look();
      if (size > room()) throw unfinishedLimit('unfinishedUploadBytes', bytes);
    };
  }

  /** Whether the uploader has sent the whole blob after a killed process left the file. */
  async #isFinished({ digest, uploader }: Upload): Promise<boolean> {
    if (uploader === undefined) return false;
    const uploaders = await this.#uploadersOf(digest);
    return [...uploaders].some((key) => hashOf(key) === uploader);
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}
