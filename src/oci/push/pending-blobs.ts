import { mkdir, readdir, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { HeadwaterError, LimitError } from '../../errors.ts';
import { statOf } from '../../files/file-system.ts';
import { openFile } from '../../files/open-file.ts';
import { isAbandoned, processName } from '../../files/process-name.ts';
import { Spool } from '../../files/spool.ts';
import type { Digest } from '../../model/digest.ts';
import type { Intake } from '../../publish/intake/intake.ts';
import { received } from '../../publish/upload-body.ts';
import { unfinishedLimit } from '../../publish/upload-limits.ts';

/** How often old files are looked for, in milliseconds. */
const cleaningInterval = 600_000;
/** The prefix for the digest of the bytes themselves. */
const noBytes = Buffer.alloc(0);

/** A blob that a client has sent and that no image contains yet. */
export interface PendingBlob {
  path: string;
  /** Bytes. */
  size: number;
}

interface Session extends PendingBlob {
  owner: string;
  isBusy: boolean;
  touchedAt: number;
}

interface Finished extends PendingBlob {
  owner: string;
  digest: Digest;
  touchedAt: number;
}

/** The next part of an upload must begin at another offset. */
export class WrongPart extends HeadwaterError {}

/**
 * Blobs that clients push, in files of the local disk until a manifest names them: config and layers come in any order, and
 * only the manifest says which is which. Each belongs to its uploader. They end with the process.
 */
export class PendingBlobs {
  readonly #directory: string;
  readonly #intake: Pick<Intake, 'hash'>;
  readonly #limits: { size: number; uploads: number; bytes: number; age: number };
  readonly #sessions = new Map<string, Session>();
  readonly #finished = new Map<string, Finished>();
  readonly #timer: NodeJS.Timeout;

  /**
   * @param options.limits the most bytes of a blob; the most uploads and bytes of one uploader; milliseconds after which
   * an upload that nothing was done with is removed
   * @param options.onError told what the disk failed with when old files are removed
   */
  constructor(options: {
    directory: string;
    intake: Pick<Intake, 'hash'>;
    limits: { size: number; uploads: number; bytes: number; age: number };
    onError: (error: unknown) => void;
  }) {
    this.#directory = options.directory;
    this.#intake = options.intake;
    this.#limits = options.limits;
    const clean = () => void this.#clean().catch(options.onError);
    clean();
    this.#timer = setInterval(clean, cleaningInterval).unref();
  }

  /** Begins an upload. @returns its id @throws LimitError when the uploader has too many */
  async begin(owner: string): Promise<string> {
    this.#assertRoom(owner, { uploads: 1 });
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const id = await processName();
    this.#sessions.set(id, { ...this.#place(id), owner, isBusy: false, touchedAt: Date.now(), size: 0 });
    return id;
  }

  /** How many bytes an upload has. @throws HeadwaterError `not-found` */
  size(owner: string, id: string): number {
    return this.#session(owner, id).size;
  }

  /**
   * Appends a body to an upload.
   * @param start the offset of its first byte, if the client gives it
   * @throws WrongPart; HeadwaterError `not-found`, `conflict`, `too-large`, `aborted`
   */
  async append(owner: string, id: string, body: IncomingMessage, start?: number): Promise<number> {
    const session = this.#session(owner, id);
    if (session.isBusy) throw new HeadwaterError('conflict', 'another request is sending this blob');
    if (start !== undefined && start !== session.size) {
      throw new WrongPart('conflict', `the upload continues at byte ${session.size}`);
    }
    session.isBusy = true;
    try {
      const spool = await Spool.open(session.path, session.size);
      try {
        for await (const chunk of received(body, { broken: false })) {
          this.#assertRoom(owner, { bytes: chunk.length });
          if (session.size + chunk.length > this.#limits.size) {
            throw new LimitError(
              'uploadSize',
              'too-large',
              `a blob may have ${this.#limits.size} bytes at most (limits.uploadSize)`,
            );
          }
          await spool.write(chunk);
          session.size += chunk.length;
        }
      } finally {
        await spool.close();
      }
      return session.size;
    } finally {
      session.isBusy = false;
      session.touchedAt = Date.now();
    }
  }

  /**
   * Ends an upload.
   * @throws HeadwaterError `invalid` when the bytes have another digest: then nothing of them stays
   */
  async finish(owner: string, id: string, digest: Digest): Promise<void> {
    const session = this.#session(owner, id);
    if (session.isBusy) throw new HeadwaterError('conflict', 'another request is sending this blob');
    session.isBusy = true;
    const [found] = await this.#intake.hash((await openFile(session.path)).bytes, [noBytes]);
    this.#sessions.delete(id);
    if (found !== digest) {
      await rm(session.path, { force: true });
      throw new HeadwaterError('invalid', `the digest of the bytes is sha256:${found}, not sha256:${digest}`);
    }
    const before = this.#finished.get(key(owner, digest));
    const { path, size } = session;
    this.#finished.set(key(owner, digest), { path, size, owner, digest, touchedAt: Date.now() });
    if (before !== undefined) await rm(before.path, { force: true });
  }

  /** A blob that the uploader has sent. */
  find(owner: string, digest: Digest): PendingBlob | undefined {
    return this.#finished.get(key(owner, digest));
  }

  /** Copies a stored blob to a file, which the caller removes. @returns its path */
  async copy(source: AsyncIterable<Uint8Array>): Promise<string> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const { path } = this.#place(await processName());
    const spool = await Spool.open(path, 0);
    try {
      for await (const chunk of source) await spool.write(chunk);
    } finally {
      await spool.close();
    }
    return path;
  }

  /** Removes a blob that is in an image now. */
  async discard(owner: string, digest: Digest): Promise<void> {
    const found = this.#finished.get(key(owner, digest));
    if (found === undefined) return;
    this.#finished.delete(key(owner, digest));
    await rm(found.path, { force: true });
  }

  /** Removes an unfinished upload. @throws HeadwaterError `not-found` */
  async cancel(owner: string, id: string): Promise<void> {
    const { path } = this.#session(owner, id);
    this.#sessions.delete(id);
    await rm(path, { force: true });
  }

  /** Removes everything. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const all = [...this.#sessions.values(), ...this.#finished.values()];
    await Promise.all(all.map(({ path }) => rm(path, { force: true })));
  }

  #session(owner: string, id: string): Session {
    const session = this.#sessions.get(id);
    if (session !== undefined && session.owner === owner) return session;
    throw new HeadwaterError('not-found', 'there is no such upload: begin again');
  }

  #assertRoom(owner: string, more: { uploads?: number; bytes?: number }): void {
    const own = [...this.#sessions.values(), ...this.#finished.values()].filter(
      (blob) => blob.owner === owner,
    );
    const bytes = own.reduce((sum, { size }) => sum + size, 0);
    if (own.length + (more.uploads ?? 0) > this.#limits.uploads) {
      throw unfinishedLimit('unfinishedUploads', this.#limits.uploads);
    }
    if (bytes + (more.bytes ?? 0) > this.#limits.bytes) {
      throw unfinishedLimit('unfinishedUploadBytes', this.#limits.bytes);
    }
  }

  /** Removes what nothing was done with for long, and files of processes that have ended. */
  async #clean(): Promise<void> {
    const before = Date.now() - this.#limits.age;
    for (const map of [this.#sessions, this.#finished]) {
      for (const [name, blob] of map) {
        if (blob.touchedAt >= before || ('isBusy' in blob && blob.isBusy)) continue;
        map.delete(name);
        await rm(blob.path, { force: true });
      }
    }
    for (const name of await readdir(this.#directory).catch(() => [])) {
      const path = join(this.#directory, name);
      const stats = await statOf(path);
      if (stats !== undefined && (await isAbandoned(name, stats.mtime))) await rm(path, { force: true });
    }
  }

  #place(name: string): { path: string } {
    return { path: join(this.#directory, name) };
  }
}

function key(owner: string, digest: Digest): string {
  return `${owner} ${digest}`;
}
