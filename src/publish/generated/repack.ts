import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { HeadwaterError, messageOf, quotable } from '../../errors.ts';
import type { Compression } from '../../image/content.ts';

/** The largest part of the messages of the process that an error quotes, in characters. */
const maxMessageLength = 500;

/**
 * The same tarball, compressed with xz or gzip, by a process of low priority (`repack-program.ts`). The process ends when the reader
 * stops.
 * @param source the bytes, destroyed at the end
 * @throws HeadwaterError `invalid` when the process fails; the error of the source
 */
export async function* repack(
  source: Readable,
  compression: Compression,
  target: 'xz' | 'gzip',
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const child = spawn(process.execPath, [program(), compression, target], { signal, killSignal: 'SIGKILL' });
  const ended = new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(messageOf(error)));
    child.once('close', (code, by) => resolve(code === 0 ? undefined : `exit code ${code ?? by}`));
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(0, maxMessageLength);
  });
  let broken: unknown;
  source.once('error', (error) => {
    broken = error;
    child.kill('SIGKILL');
  });
  // Its end explains why a process stops reading.
  child.stdin.on('error', () => undefined);
  source.pipe(child.stdin);
  try {
    yield* child.stdout;
    const problem = await ended;
    if (broken !== undefined) throw broken;
    if (problem !== undefined) {
      throw new HeadwaterError(
        'invalid',
        `the root could not be compressed with ${target}: ${quotable(said) || problem}`,
      );
    }
  } finally {
    source.destroy();
    if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL'))
      await once(child, 'close');
  }
}

// Under a test runner this module is TypeScript: the built file stands in for it.
function program(): string {
  const built = import.meta.url.endsWith('.ts') ? '../../../dist/repack-program.js' : './repack-program.js';
  return fileURLToPath(new URL(built, import.meta.url));
}
