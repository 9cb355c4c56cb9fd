import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { Readable } from 'node:stream';
import type { BlobStore } from '../../blobs/blob-store.ts';
import { HeadwaterError, messageOf, quotable } from '../../errors.ts';
import { processName } from '../../files/process-name.ts';
import { Spool } from '../../files/spool.ts';
import type { Digest } from '../../model/digest.ts';

/** The program that reads a squashfs as a tar archive, of the Debian package squashfs-tools-ng. */
const program = 'sqfs2tar';
/** The largest part of its messages that an error quotes, in characters. */
const maxMessageLength = 500;

/** Whether {@link squashfsAsTar} can be used on this machine. */
export function canReadSquashfs(path = process.env['PATH'] ?? ''): boolean {
  return path.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * A squashfs as a tar archive. The program needs a file: the blob is copied to the local disk for that time.
 * @param directory for the copy; what a killed process leaves there is removed by its name
 */
export function squashfsAsTar(
  store: Pick<BlobStore, 'read'>,
  digest: Digest,
  options: { directory: string; signal: AbortSignal },
): Readable {
  return Readable.from(archive(store, digest, options), { objectMode: false });
}

async function* archive(
  store: Pick<BlobStore, 'read'>,
  digest: Digest,
  { directory, signal }: { directory: string; signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, await processName());
  try {
    const spool = await Spool.open(path, 0);
    try {
      for await (const chunk of await store.read(digest)) await spool.write(chunk);
    } finally {
      await spool.close();
    }
    yield* run(path, signal);
  } finally {
    await rm(path, { force: true });
  }
}

async function* run(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const child = spawn(program, [path], { signal, killSignal: 'SIGKILL', stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(messageOf(error)));
    child.once('close', (code, by) => resolve(code === 0 ? undefined : `exit code ${code ?? by}`));
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(0, maxMessageLength);
  });
  try {
    yield* child.stdout;
    const problem = await ended;
    if (problem === undefined) return;
    throw new HeadwaterError(
      'invalid',
      `${program} could not read the squashfs: ${quotable(said) || problem}`,
    );
  } finally {
    if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')) {
      await once(child, 'close');
    }
  }
}
