import type { Stats } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { codeOf, HeadwaterError } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { entriesOf, removeFile, statOf } from '../../files/file-system.ts';
import { isAbandoned, processName } from '../../files/process-name.ts';
import { haveSameBytes } from '../../files/same-bytes.ts';
import type { Digest } from '../../model/digest.ts';
import { blobKey, blobRoot, digestOfKey, recordKeys } from '../blob-key.ts';
import type {
  AsideBlob,
  AsideReason,
  BlobStat,
  BlobStore,
  ByteRange,
  Expected,
  Purpose,
  StagedBlobs,
  StoreRecord,
} from '../blob-store.ts';
import { Incoming } from '../incoming.ts';
import { adoptFile } from './adopt-file.ts';
import { AsideDirectory } from './aside-directory.ts';
import { type BlobMove, BlobMoves } from './blob-moves.ts';
import { Directories } from './directories.ts';
import { GroupSync } from './group-sync.ts';
import { MountCheck } from './mount-check.ts';
import { readBlob } from './read-blob.ts';
import { RecentlyWritten } from './recently-written.ts';
import { renewFile } from './renew-file.ts';
import { StagedFile } from './staged-file.ts';

/**
 * Blobs in a directory of a local file system: `blobs/sha256/ab/<hex>`. Several processes may use it at once.
 *
 * New files are written to `staging/` first, and get their names when the disk has all of their bytes. A blob's
 * `modified` is its file's ctime: the mtime of an adopted file is older than the blob.
 */
export class DirectoryStore implements BlobStore {
  readonly #root: string;
  readonly #staging: string;
  readonly #mount: MountCheck;
  readonly #directories: Directories;
  readonly #sync: GroupSync;
  readonly #aside: AsideDirectory;
  readonly #moves: BlobMoves;
  readonly #written = new RecentlyWritten();

  /** @param root the directory; created when it does not exist */
  constructor(root: string) {
    this.#root = resolve(root);
    this.#staging = join(this.#root, 'staging');
    this.#mount = new MountCheck(join(this.#root, blobRoot));
    this.#sync = new GroupSync(this.#staging);
    this.#directories = new Directories(this.#root, (path) => this.#sync.sync([path]));
    this.#moves = new BlobMoves(this.#staging, this.#directories, this.#sync);
    this.#aside = new AsideDirectory(this.#root, this.#directories, (paths) => this.#sync.sync(paths));
  }

  async open({ create = true }: { create?: boolean } = {}): Promise<void> {
    const blobs = join(this.#root, blobRoot);
    if (!create && (await statOf(blobs)) === undefined) {
      throw new HeadwaterError(
        'unavailable',
        `${blobs}: the directory of the blobs does not exist: is the file system mounted, and is dataDir the right directory?`,
      );
    }
    await this.#directories.make(resolve(this.#root, blobRoot));
    await this.#directories.make(this.#staging);
    // Staged files in the directory of the blobs are leftovers of checks.
    for (const directory of [this.#staging, blobs]) {
      for (const { name } of await entriesOf(directory)) {
        const path = join(directory, name);
        const stats = await statOf(path);
        if (stats !== undefined && (await isAbandoned(name, stats.mtime))) await removeFile(path);
      }
    }
  }

  async stat(digest: Digest): Promise<BlobStat | undefined> {
    const file = await statOf(this.#path(digest));
    if (file !== undefined) return describe(digest, file);
    await this.#mount.check();
    return undefined;
  }

  async read(digest: Digest, range?: ByteRange): Promise<Readable> {
    return await readBlob(this.#mount, { digest, path: this.#path(digest) }, range);
  }

  async write(source: AsyncIterable<Uint8Array>, expected: Expected): Promise<void> {
    const incoming = new Incoming(source, expected.size);
    const digest = Promise.resolve(expected.digest);
    // If the source fails, nothing awaits the digest any more.
    digest.catch(() => undefined);
    try {
      const known = expected.verified === true ? undefined : expected.digest;
      if (typeof known === 'string' && (await this.#renew(known, expected.size))) return;
      await this.#write(incoming, digest);
    } finally {
      incoming.leave();
    }
  }

  async adopt(path: string, digest: Digest): Promise<boolean> {
    return await adoptFile(path, this.#staging, async (staged, size) => {
      // An undamaged one stays: it may have bytes of its own, which no other program can change.
      const isRight = await haveSameBytes(staged, this.#path(digest));
      if (isRight && (await this.#renew(digest, size))) return;
      await this.#moves.place([this.#move(staged, digest)]);
    });
  }

  async stage(count: number): Promise<StagedBlobs> {
    const names = await Promise.all(Array.from({ length: count }, processName));
    const left = new Set(names.map((name) => join(this.#staging, name)));
    return {
      paths: [...left],
      keep: async (files) => {
        await this.#sync.sync(files.map(({ path }) => path));
        const moves = files.map(({ path, digest }) => this.#move(path, digest));
        await this.#moves.place(moves, (path) => left.delete(path));
      },
      discard: async () => {
        for (const path of left) await removeFile(path);
      },
    };
  }

  async remove(digest: Digest): Promise<void> {
    await removeFile(this.#path(digest));
  }

  async withdraw(digest: Digest): Promise<void> {
    if (this.#written.take(digest)) await this.remove(digest);
  }

  async setAside(digest: Digest, reason: AsideReason): Promise<void> {
    await this.#aside.put(this.#path(digest), digest, reason);
  }

  aside(): AsyncIterable<AsideBlob> {
    return this.#aside.list();
  }

  async bringBack(digest: Digest): Promise<boolean> {
    return await this.#aside.take(digest, this.#path(digest));
  }

  async removeAside({ digest, reason }: Pick<AsideBlob, 'digest' | 'reason'>): Promise<void> {
    await this.#aside.remove(digest, reason);
  }

  async readRecord(record: StoreRecord): Promise<string | undefined> {
    const path = join(this.#root, recordKeys[record]);
    return await readFile(path, 'utf8').catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw fileError(error, { path, doing: 'read' });
    });
  }

  async writeRecord(record: StoreRecord, text: string): Promise<void> {
    await this.#moves.replace(join(this.#root, recordKeys[record]), Buffer.from(text));
  }

  async *list(): AsyncIterable<BlobStat> {
    const top = join(this.#root, blobRoot);
    for (const directory of await entriesOf(top)) {
      if (!directory.isDirectory()) continue;
      for (const file of await entriesOf(join(top, directory.name))) {
        const digest = digestOfKey(`${blobRoot}${directory.name}/${file.name}`);
        const stats = digest === undefined ? undefined : await statOf(this.#path(digest));
        if (digest !== undefined && stats !== undefined) yield describe(digest, stats);
      }
    }
  }

  async check(purpose: Purpose = 'write'): Promise<void> {
    try {
      await this.#mount.check();
      if (purpose === 'read') return;
      await this.#moves.check(join(this.#root, blobRoot));
    } catch (error) {
      if (!(error instanceof HeadwaterError) || error.kind === 'unavailable') throw error;
      throw new HeadwaterError('unavailable', error.message, { cause: error });
    }
  }

  async close(): Promise<void> {
    this.#sync.close();
  }

  async #write(incoming: Incoming, promised: Promise<Digest>): Promise<void> {
    const staged = await StagedFile.create(this.#staging);
    try {
      for await (const chunk of incoming) await staged.write(chunk);
      const finished = staged.finish((path) => this.#sync.sync([path]));
      finished.catch(() => undefined);
      const digest = await promised;
      await finished;
      await this.#moves.place([this.#move(staged.path, digest)], () => staged.moved());
    } finally {
      await staged.discard();
    }
  }

  #path(digest: Digest): string {
    return join(this.#root, blobKey(digest));
  }

  #move(from: string, digest: Digest): BlobMove {
    return { from, to: this.#path(digest), onNew: () => this.#written.add(digest) };
  }

  /** Renews a blob of `size` bytes (of any size when undefined); returns whether there is one. */
  async #renew(digest: Digest, size: number | undefined): Promise<boolean> {
    const path = this.#path(digest);
    if (!(await renewFile(path, size))) return false;
    // Its writer may still be about to do it.
    await this.#sync.sync([dirname(path)]);
    return (await statOf(path)) !== undefined;
  }
}

function describe(digest: Digest, { size, ctime }: Stats): BlobStat {
  return { digest, size, modified: ctime };
}
