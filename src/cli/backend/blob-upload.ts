import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Backoff, delayBefore } from '../../async/backoff.ts';
import { HeadwaterError, isKind } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { openFile, sizeOf } from '../../files/open-file.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import type { Progress, SourceFile } from '../../publish/request.ts';
import { throwIfInterrupted } from '../interruption.ts';
import type { ApiClient } from './api-client.ts';
import { type ApiResponse, ConnectionError, responseError } from './api-errors.ts';

/** Gives a server most of a minute to come back. An attempt that got further counts as the first. */
const backoff: Backoff = { attempts: 9, firstDelay: 500, longestDelay: 15_000 };

/** How many bytes are read and sent at once. */
const chunkSize = 256 * 1024;

type DiskFile = Extract<SourceFile, { from: 'disk' }>;

/** SHA-256 of a local file. @throws HeadwaterError `invalid` if it differs from the expected one */
export async function hashFile(
  file: DiskFile,
  progress: Progress,
): Promise<{ digest: Digest; size: number }> {
  const { size, bytes } = await openFile(file.path);
  const hash = createHash('sha256');
  let done = 0;
  for await (const chunk of bytes) {
    hash.update(chunk);
    done += chunk.length;
    progress({ file: `${file.name} (hashing)`, done, total: size });
  }
  const digest = parseDigest(hash.digest('hex'));
  if (file.expectedDigest !== undefined && file.expectedDigest !== digest) {
    throw new HeadwaterError(
      'invalid',
      `${file.name}: SHA-256 is ${digest}, but ${file.expectedDigest} was announced: the file is damaged or was replaced; download or build it again`,
    );
  }
  return { digest, size };
}

/**
 * Ensures that a server has a blob: sends the missing bytes, and resumes after an interruption.
 * @param metadata the metadata item of which the file is a root: the server computes the fingerprint while it arrives
 */
export async function uploadBlob(
  client: ApiClient,
  file: DiskFile & { digest: Digest; size: number },
  options: { progress: Progress; metadata?: Digest },
): Promise<void> {
  let failures = 0;
  let furthest = -1;
  for (;;) {
    let here = furthest;
    try {
      const offset = await offsetOf(client, file.digest);
      if (offset === undefined) return;
      here = offset < file.size ? offset : 0;
      await send(client, file, here, options);
      return;
    } catch (error) {
      throwIfInterrupted();
      // If the first request fails, the address is probably wrong.
      const begun = here >= 0;
      if (!begun || !isTransient(error)) throw error;
      failures = here > furthest ? 1 : failures + 1;
      furthest = Math.max(furthest, here);
      if (failures >= backoff.attempts) throw error;
      await sleep(delayBefore(failures, backoff));
    }
  }
}

/** The offset at which an upload resumes; undefined if the server has the blob. */
async function offsetOf(client: ApiClient, digest: Digest): Promise<number | undefined> {
  const response = await client.send({ method: 'HEAD', path: `blobs/sha256:${digest}` });
  if (response.status === 200) return undefined;
  const offset = Number(response.headers['upload-offset'] ?? Number.NaN);
  if (response.status !== 404 || !Number.isSafeInteger(offset)) {
    throw await explained(client, digest, response);
  }
  return offset;
}

/** The reason of a response to HEAD, which has no body: asks for it with another request. */
async function explained(client: ApiClient, digest: Digest, response: ApiResponse): Promise<HeadwaterError> {
  if (response.status === 401 || response.status === 403) {
    const explanation = await client.send({
      method: 'PUT',
      path: `blobs/sha256:${digest}`,
      headers: { 'content-length': '0' },
    });
    return responseError(client.server, explanation);
  }
  return responseError(client.server, response);
}

async function send(
  client: ApiClient,
  file: DiskFile & { digest: Digest; size: number },
  offset: number,
  { progress, metadata }: { progress: Progress; metadata?: Digest },
): Promise<void> {
  const { size } = file;
  if ((await sizeOf(file.path)) !== size) {
    throw new HeadwaterError('invalid', `${file.name}: changed while it was being published`);
  }
  const bytes = createReadStream(file.path, {
    start: offset,
    end: Math.max(0, size - 1),
    highWaterMark: chunkSize,
  });
  async function* reported(): AsyncGenerator<Uint8Array> {
    let done = offset;
    for await (const chunk of readable(bytes, file.name)) {
      yield chunk;
      done += chunk.length;
      progress({ file: file.name, done, total: size });
    }
  }
  const response = await client.send({
    method: 'PUT',
    path: `blobs/sha256:${file.digest}`,
    ...(metadata === undefined ? {} : { query: { metadata: `sha256:${metadata}` } }),
    headers: {
      'content-type': 'application/octet-stream',
      'content-length': String(size - offset),
      ...(offset === 0 ? {} : { 'content-range': `bytes ${offset}-${size - 1}/${size}` }),
    },
    bytes: reported(),
  });
  if (response.status >= 300) throw responseError(client.server, response);
}

/** The bytes of a local file. A failed read is reported as the file's error, not as the server's. */
async function* readable(bytes: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes;
  } catch (error) {
    throw fileError(error, { path: name, doing: 'read', isInput: true });
  }
}

/** Whether the upload may succeed later: a broken connection, a store that is down, a concurrent upload. */
function isTransient(error: unknown): boolean {
  if (error instanceof ConnectionError) return error.transient;
  return isKind(error, 'unavailable', 'conflict', 'aborted');
}
