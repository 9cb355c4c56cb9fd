import { type Extract, extract as extractTar, type Header } from 'tar-stream';
import { HeadwaterError, messageOf } from '../../errors.ts';
import { defined } from '../../model/defined.ts';

const blockSize = 512;

/** A member of a tar archive. */
export interface TarEntry {
  /** Its path without `./` or `/` before it, doubled slashes, or a slash after it; '' for the top itself. */
  name: string;
  /** Whether its path began with a slash. */
  absolute: boolean;
  /** null for a type that tar-stream does not know, such as the sparse files of GNU's old format. */
  type: Header['type'] | null;
  /** Its bytes in the archive. */
  size: number;
  /** The target of a link, as it is written. */
  linkName?: string;
  /** Whether it is sparse, so that its bytes in the archive are not those of the file. */
  sparse: boolean;
  /** Permission bits. */
  mode: number;
  mtime: Date;
}

/** Receives the bytes of one entry. */
export interface EntrySink {
  write(bytes: Uint8Array): void | Promise<void>;
  /** Called after the last byte; not called after an error. */
  end?(): void | Promise<void>;
}

/** Whether 512 bytes are the header of an entry: their checksum is right (POSIX.1-2017, pax, "ustar Interchange Format"). */
export function isTarHeader(block: Uint8Array): boolean {
  if (block.length < blockSize) return false;
  let sum = 0;
  let blank = true;
  for (let index = 0; index < blockSize; index += 1) {
    const byte = block[index] ?? 0;
    if (byte !== 0) blank = false;
    // The checksum counts its own field as spaces.
    sum += index >= 148 && index < 156 ? 0x20 : byte;
  }
  const field = Buffer.from(block.subarray(148, 156)).toString('latin1');
  return !blank && Number.parseInt(field.replaceAll('\0', ' ').trim(), 8) === sum;
}

/**
 * Reads a tar archive (ustar, pax or GNU) from its first byte to its last, and checks its end mark.
 * @param visit called for each entry; if it returns a sink, the sink gets the entry's bytes before the next entry
 * @throws HeadwaterError `invalid` if the archive is truncated or corrupt; errors of the source, `visit` and sinks
 */
export async function walkTar(
  source: AsyncIterable<Uint8Array>,
  visit: (entry: TarEntry) => EntrySink | undefined,
): Promise<void> {
  // The option is not in its types: archives older than ustar have no format mark.
  const extract = extractTar({ allowUnknownFormat: true } as Parameters<typeof extractTar>[0]);
  const feed = new Feed(source, extract);
  const entries = extract[Symbol.asyncIterator]();
  let end = 0;
  let unknownType = false;
  const refuse = (error: unknown): never => {
    throw feed.failure === undefined ? translate(error, unknownType) : feed.failure.error;
  };
  try {
    for (;;) {
      const { value: body, done } = await entries.next().catch(refuse);
      if (done === true) break;
      const header = body.header as Header & FullHeader;
      assertSize(header);
      const entry = describe(header);
      unknownType ||= entry.type === null;
      end = endOf(header);
      const sink = visit(entry);
      if (sink === undefined) {
        body.resume();
        continue;
      }
      for await (const bytes of chunks(body, refuse)) await sink.write(bytes);
      await sink.end?.();
    }
  } finally {
    extract.destroy();
    await feed.done;
  }
  // Two blocks of zeros end an archive; the bytes after the last entry are zeros, or they would be an entry.
  if (feed.length < end + 2 * blockSize) {
    throw new HeadwaterError('invalid', 'the tar archive is truncated: it does not have its end mark');
  }
}

/** Moves bytes from a source into tar-stream. */
class Feed {
  /** Bytes so far. */
  length = 0;
  /** The error of the source. */
  failure: { error: unknown } | undefined;
  /** Settles when the source is closed; never rejects. */
  readonly done: Promise<void>;

  constructor(source: AsyncIterable<Uint8Array>, extract: Extract) {
    this.done = this.#run(source, extract);
  }

  async #run(source: AsyncIterable<Uint8Array>, extract: Extract): Promise<void> {
    try {
      for await (const bytes of source) {
        if (extract.destroyed) return;
        this.length += bytes.length;
        if (extract.write(bytes)) continue;
        await drained(extract);
        if (extract.destroyed) return;
      }
      extract.end(null);
    } catch (error) {
      this.failure = { error };
      extract.destroy(new Error('the source failed'));
    }
  }
}

async function drained(extract: Extract): Promise<void> {
  await new Promise<void>((resolve) => {
    const settle = () => {
      extract.off('drain', settle);
      extract.off('close', settle);
      resolve();
    };
    extract.on('drain', settle);
    extract.on('close', settle);
  });
}

/** The bytes of an entry; `refuse` gets only its own failures. */
async function* chunks(
  body: AsyncIterable<unknown>,
  refuse: (error: unknown) => never,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const bytes of body) {
      // tar-stream does not type what it gives.
      if (!(bytes instanceof Uint8Array)) throw new Error('tar-stream gave something else than bytes');
      yield bytes;
    }
  } catch (error) {
    refuse(error);
  }
}

/** The values of tar-stream that its types omit or misstate. */
type FullHeader = Omit<Header, 'type' | 'linkname' | 'pax'> & {
  byteOffset: number;
  type: Header['type'] | null;
  linkname: string | null;
  pax: Record<string, string> | null;
};

/**
 * tar-stream makes null of a size field that begins with a byte from 0x81 to 0xfe, and then waits for ever for as many
 * bytes. Sizes beyond what a number holds exactly are no sizes of files either.
 */
function assertSize({ name, size }: FullHeader): void {
  if (Number.isSafeInteger(size) && size >= 0) return;
  throw new HeadwaterError(
    'invalid',
    `the tar archive is corrupt: the size of ${JSON.stringify(name.slice(0, 100))} is not a number of bytes`,
  );
}

function describe({ name, type, size, linkname, pax, mode, mtime }: FullHeader): TarEntry {
  const sparse = Object.keys(pax ?? {}).some((key) => key.startsWith('GNU.sparse.'));
  const path = pax?.['GNU.sparse.name'] ?? name;
  return {
    name: normalise(path),
    absolute: path.startsWith('/'),
    type,
    size,
    ...defined({ linkName: linkname ?? undefined }),
    sparse: sparse || type === null,
    mode,
    mtime,
  };
}

function normalise(name: string): string {
  return name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

/** The end of an entry's padded bytes in the archive. */
function endOf({ byteOffset, type, size }: FullHeader): number {
  return byteOffset + (type === 'directory' ? 0 : Math.ceil(size / blockSize) * blockSize);
}

function translate(error: unknown, unknownType: boolean): HeadwaterError {
  const message = messageOf(error);
  if (/unexpected end|premature/i.test(message)) {
    return new HeadwaterError('invalid', 'the tar archive is truncated', { cause: error });
  }
  return new HeadwaterError(
    'invalid',
    unknownType
      ? 'the tar archive is corrupt, or has sparse files in a format that cannot be read: pack it without --sparse'
      : 'the tar archive is corrupt: the header of an entry is wrong',
    { cause: error },
  );
}
